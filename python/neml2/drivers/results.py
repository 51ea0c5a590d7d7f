# SPDX-License-Identifier: MIT
"""The history of a run by variable and component, in NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import listing, suggestion
from .initial import initial_outputs
from .values import with_declared_sub_batch

if TYPE_CHECKING:
    from .transient import TransientDriver

Array = NDArray[Any]

_PAIRS = ("xx", "yy", "zz", "yz", "xz", "xy")
COMPONENTS: dict[str, tuple[str, ...]] = {
    "SR2": _PAIRS,
    "Vec": ("x", "y", "z"),
    "WR2": ("zy", "xz", "yx"),
    "R2": tuple(i + j for i in "xyz" for j in "xyz"),
    "SSR4": tuple(a + b for a in _PAIRS for b in _PAIRS),
    "MillerIndex": ("h", "k", "l"),
}
"""By type, in the order in which its values are stored."""

_SHEAR = np.array([1, 1, 1, *[math.sqrt(0.5)] * 3])
_TO_TENSOR: dict[str, Array] = {"SR2": _SHEAR, "SSR4": _SHEAR[:, None] * _SHEAR}
"""Types stored in Mandel's notation: what makes tensor components of it."""


def to_tensor(type_: Any) -> Array:
    """What makes tensor components of the stored ones of a type, a number for each."""
    ones = np.ones(math.prod(type_.BASE_SHAPE))
    return (ones.reshape(type_.BASE_SHAPE) * _TO_TENSOR.get(type_.__name__, 1.0)).reshape(-1)


class Results(Mapping[str, Array]):
    """What was driven and what came of it, at all steps from the initial one on, by variable name, and `time`.

    `results["stress"]` has shape (steps, *batch, *sites, *components), `results["stress.xx"]` that without components:
    those of tensors, not of Mandel's notation, unless `array(name, mandel=True)` is asked for. NaN stands for what is
    not known at the initial step, where models are not evaluated.
    """

    def __init__(self, driver: TransientDriver) -> None:
        states = [{**given, **found} for given, found in zip(driver.inputs, driver.outputs, strict=True)]
        if states:
            states[0].update(initial_outputs(driver))
        types = {name: type(value) for name, value in driver.prescribed.items()}
        self.types: dict[str, type] = {**types, **driver.model.output_spec}
        self.steps = len(states)
        self._time = _numpy(driver.prescribed_time.data)[: self.steps]
        self._rows = {
            name: [with_declared_sub_batch(driver, name, state[name]) if name in state else None for state in states]
            for name in self.types
        }

    def __getitem__(self, name: str) -> Array:
        return self.array(name)

    def __contains__(self, name: object) -> bool:
        return name == "time" or name in self.types

    def __iter__(self) -> Iterator[str]:
        return iter(("time", *self.types))

    def __len__(self) -> int:
        return 1 + len(self.types)

    def components(self, name: str) -> tuple[str, ...]:
        """Names of the components of a variable; none of a Scalar's."""
        if name == "time" or not self.types[name].BASE_SHAPE:  # type: ignore[attr-defined]
            return ()
        size = math.prod(self.types[name].BASE_SHAPE)  # type: ignore[attr-defined]
        return COMPONENTS.get(self.types[name].__name__) or tuple(str(k) for k in range(size))

    def split(self, name: str) -> tuple[str, int | None]:
        """Variable and number of the component, or None, that `stress`, `stress.xx` stand for. Raises KeyError."""
        if name in self:
            return name, None
        variable, _, component = name.rpartition(".")
        if variable not in self:
            known = [*self, *(f"{v}.{c}" for v in self for c in self.components(v))]
            raise KeyError(f"no result '{name}'{suggestion(name, known) or f'; there are: {listing(self)}'}")
        there = self.components(variable)
        if component not in there:
            raise KeyError(f"'{variable}' has no component '{component}'; there are: {listing(there)}")
        return variable, there.index(component)

    def array(self, name: str, mandel: bool = False) -> Array:
        """A variable, or one component of it. `mandel`: as it is stored, shears times sqrt(2)."""
        variable, component = self.split(name)
        if variable == "time":
            return self._time
        type_: Any = self.types[variable]
        value = _stacked(self._rows[variable], type_)
        if not mandel and type_.__name__ in _TO_TENSOR:
            value = value * _TO_TENSOR[type_.__name__]
        if component is None:
            return value
        return value.reshape((*value.shape[: value.ndim - len(type_.BASE_SHAPE)], -1))[..., component]

    def sites(self, name: str) -> tuple[int, ...]:
        """The sub-batch shape of a variable."""
        rows = self._rows.get(name, ())
        return max((tuple(row.sub_batch_shape) for row in rows if row is not None), key=len, default=())

    def columns(self, mandel: bool = False) -> dict[str, Array]:
        """`time`, `strain.xx`, `slip[3]`, ...: each (steps, points), the points of all variables broadcast."""
        parts: dict[str, Array] = {}
        for name in self:
            value, sites = self.array(name, mandel), self.sites(name)
            labels = [f"{name}.{c}" for c in self.components(name)] or [name]
            axes = len(sites) + (len(self.types[name].BASE_SHAPE) if name != "time" else 0)  # type: ignore[attr-defined]
            value = value.reshape((*value.shape[: value.ndim - axes], math.prod(sites), len(labels)))
            for k in range(math.prod(sites)):
                site = "[" + ",".join(map(str, np.unravel_index(k, sites))) + "]" if sites else ""
                for c, label in enumerate(labels):
                    parts[label.replace(name, name + site, 1)] = value[..., k, c]
        batch = np.broadcast_shapes(*(value.shape[1:] for value in parts.values()))
        return {
            label: np.broadcast_to(_in_front(v, len(batch)), (self.steps, *batch)).reshape(self.steps, -1)
            for label, v in parts.items()
        }

    def frame(self, mandel: bool = False) -> Any:
        """A pandas.DataFrame of `columns`, indexed by step and point. Raises ImportError where pandas is missing."""
        try:
            import pandas
        except ImportError:
            raise ImportError("results as a frame need pandas: pip install pandas") from None
        columns = self.columns(mandel)
        steps, points = columns["time"].shape
        index = pandas.MultiIndex.from_product([range(steps), range(points)], names=["step", "point"])
        return pandas.DataFrame({label: value.reshape(-1) for label, value in columns.items()}, index=index)

    def __repr__(self) -> str:
        return f"<{self.steps} steps of {listing(self)}>"


def _numpy(value: torch.Tensor) -> Array:
    return value.detach().cpu().numpy()


def _in_front(value: Array, axes: int) -> Array:
    """(steps, *batch) -> (steps, 1, ..., *batch) with `axes` axes behind the steps."""
    return value.reshape((value.shape[0], *(1,) * (axes - value.ndim + 1), *value.shape[1:]))


def _stacked(rows: list[Any], type_: Any) -> Array:
    """(steps, *batch, *sites, *base) of one value, or None, for each step."""
    known = [row for row in rows if row is not None]
    sites = max((tuple(row.sub_batch_shape) for row in known), key=len, default=())
    batch = np.broadcast_shapes(*(row.data.shape[: row.batch_ndim - row.sub_batch_ndim] for row in known))
    shape = (*batch, *sites, *type_.BASE_SHAPE)
    dtype = np.result_type(*(_numpy(row.data).dtype for row in known)) if known else np.dtype(np.float64)
    found = np.full((len(rows), *shape), np.nan if dtype.kind == "f" else 0, dtype)
    for step, row in enumerate(rows):
        if row is not None:
            data = _numpy(row.data)
            own = row.batch_ndim - row.sub_batch_ndim
            missing = len(sites) - row.sub_batch_ndim
            found[step] = data.reshape((*data.shape[:own], *(1,) * missing, *data.shape[own:]))
    return found

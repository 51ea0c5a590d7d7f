# SPDX-License-Identifier: MIT
"""The route of a run: implicit models are compiled, all others are evaluated as they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from ..errors import InputError
from ..models import Model
from ..types import TensorWrapper

if TYPE_CHECKING:
    from ..compiler.kept import Kept
    from .transient import State, TransientDriver

_log = logging.getLogger("neml2")

DTYPES = {torch.float64: "float64", torch.float32: "float32"}


class Route:
    """Evaluates a model at one step. `text` says how, for people; empty where nobody asked."""

    text = ""

    def __init__(self, model: Any) -> None:
        self.model = model

    def evaluate(self, state: State) -> State:
        """Outputs by name."""
        spec = self.model.output_spec
        if hasattr(self.model, "evaluate"):
            values = self.model.evaluate(state)
        else:
            answer = self.model(*state.values())
            values = dict(zip(spec, answer if isinstance(answer, tuple) else (answer,), strict=True))
        return {n: values[n] if isinstance(values[n], TensorWrapper) else T(values[n]) for n, T in spec.items()}


class CompiledRoute(Route):
    """The same by a native package. A step that it cannot do is done by the model itself, which then manages, or says
    in more words what is wrong. `recorded`: autograd follows the parameters of the model, and each step has a backward.
    """

    def __init__(self, model: Model, kept: Kept, recorded: bool = False) -> None:
        super().__init__(model)
        self._inner: Any = kept.model
        self._recorded = recorded
        self._sites = {v["name"]: len(v["sub_batch_shape"]) for v in kept.metadata["outputs"]}
        self.text = "compiled" if kept.fresh else "compiled, from the cache"

    def evaluate(self, state: State) -> State:
        from ..aoti import ConvergenceError

        if self._inner is None:
            return super().evaluate(state)
        try:
            values = {name: state[name].data for name in self.model.input_spec}
            if self._recorded:
                moving = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
                found = self._inner.forward({**values, **moving})
            else:
                found = self._inner.forward_natural(values)
        except ConvergenceError:
            return super().evaluate(state)
        except Exception as error:
            values = super().evaluate(state)  # or this raises, and it is not about the package
            self._inner, self.text = None, f"{self.text}; then eager, because {_reason(error)}"
            return values
        spec = self.model.output_spec
        return {name: T(found[name], sub_batch_ndim=self._sites[name]) for name, T in spec.items()}


def route(driver: TransientDriver, eager: bool, differentiable: bool) -> Route:
    """How to evaluate the model of a driver at each step."""
    plain = Route(driver.model)
    if eager or not _is_implicit(driver.model):
        return plain
    reason = _obstacle(driver)
    if not reason:
        from ..compiler import kept

        try:
            dtype = DTYPES[next(iter(_dtypes(driver)))]
            pairs = _all_pairs(driver.model) if differentiable else []
            made = kept.load(driver.model, sub_batch_shapes(driver), dtype, pairs, ("vjp",))
            return CompiledRoute(driver.model, made, differentiable)
        except Exception as error:  # whatever cannot be compiled can still be run
            reason = _reason(error)
    plain.text = f"eager, because {reason}"
    _log.info("%s", plain.text)
    return plain


def _all_pairs(model: Model) -> list[tuple[str, str]]:
    """Each output with each input and parameter."""
    given = [*model.input_spec, *(name for name, _ in model.named_parameters())]
    return [(out, name) for out in model.output_spec for name in given]


def _is_implicit(model: Any) -> bool:
    return isinstance(model, Model) and any(hasattr(part, "equation_system") for part in model.modules())


def _obstacle(driver: TransientDriver) -> str:
    """Why no package can take these values; empty if one can."""
    from ..equations.sensitivity import needed

    if needed([]):
        return "the run is differentiated or mapped by torch"
    devices = {value.device.type for value in _values(driver)}
    if devices != {"cpu"}:
        return f"native kernels run on CPUs, not on {', '.join(sorted(devices - {'cpu'}))}"
    dtypes = _dtypes(driver)
    if len(dtypes) > 1 or not dtypes <= set(DTYPES):
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
        return f"values are of type {names}; kernels take one, float64 or float32"
    return ""


def _values(driver: TransientDriver) -> Iterator[torch.Tensor]:
    """What a run starts from."""
    yield driver.prescribed_time.data
    yield from (value.data for value in driver.given.values())
    yield from driver.model.parameters()
    yield from (buffer for buffer in driver.model.buffers() if buffer.is_floating_point())


def _dtypes(driver: TransientDriver) -> set[torch.dtype]:
    return {value.dtype for value in _values(driver)}


def sub_batch_shapes(driver: TransientDriver) -> dict[str, tuple[int, ...]]:
    """Of variables: what the input file declares, else what the driver's values have."""
    found = {name: tuple(value.sub_batch_shape) for name, value in driver.given.items() if value.sub_batch_shape}
    for name in driver.model.input_spec:
        declared = driver.source.settings.sub_batch_shape(name) if driver.source is not None else None
        if declared:
            found[name] = tuple(declared)
    return found


def _reason(error: Exception) -> str:
    text = error.text if isinstance(error, InputError) else str(error)
    return " ".join(text.split()) or type(error).__name__

# SPDX-License-Identifier: MIT
"""The smallest valid block of each model type, the domain of its inputs, and its equation written once more in numpy.

Every test of this folder runs over these examples. To add a type is to add one line to a table of examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

from neml2.errors import SuspiciousReference
from neml2.hit import load_string
from neml2.models.declarations import ParameterDeclaration, ParametersDeclaration
from neml2.models.parameters import Promoted

Array = np.ndarray
F64 = torch.float64


@dataclass(frozen=True)
class Example:
    """`reference` takes the inputs in declared order, then the parameters, each at one point, and returns the
    output or a tuple of them. `domain`: bounds of an input, numbers or arrays of its shape, (-1, 1) where nothing
    is said. `lead`: sizes of the batch axes a point has, tagged as site axes unless the type reduces points; `leads`:
    those of single inputs, where they differ. `sections`: further text of the input file.
    `bad`: options that must be refused, and the option the error must name."""

    type: str
    options: Mapping[str, Any]
    reference: Callable[..., Any]
    domain: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    lead: tuple[int, ...] = ()
    leads: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sites: bool = True
    tensors: str = ""
    sections: str = ""
    bad: tuple[tuple[Mapping[str, Any], str], ...] = ()
    label: str = ""

    def __str__(self) -> str:
        return f"{self.type}-{self.label}" if self.label else self.type

    # -- models ------------------------------------------------------------------------------------------------------

    def text(self, changes: Mapping[str, Any] | None = None) -> str:
        """The input file, with some options changed (None takes an option away)."""
        options = {**self.options, **(changes or {})}
        lines = [f"    {name} = '{value}'" for name, value in options.items() if value is not None]
        block = "\n".join(["  [m]", f"    type = {self.type}", *lines, "  []"])
        return f"[Tensors]\n{self.tensors}\n[]\n{self.sections}[Models]\n{block}\n[]\n"

    def build(self, changes: Mapping[str, Any] | None = None) -> Any:
        """A model of its own, for tests that change it."""
        return load_string(self.text(changes)).get_model("m")

    @property
    def model(self) -> Any:
        return _model(self, False)

    @property
    def promoted(self) -> Any:
        """The same model with every promotable parameter an input variable, or None if it has none."""
        return _model(self, True) if self.promotable() else None

    def promotable(self) -> list[ParameterDeclaration]:
        declarations = type(self.model).DECLARATIONS.values()
        return [d for d in declarations if isinstance(d, ParameterDeclaration) and d.promotable]

    def promotion(self) -> dict[str, str]:
        """Options that name a variable for each promotable parameter."""
        changes = {}
        for declaration in self.promotable():
            slots = next(s for d, s in self.model._parameter_slots if d is declaration)
            many = isinstance(declaration, ParametersDeclaration) or len(slots) > 1
            option = declaration.options()[0]
            if many and declaration.options() != ["coefficients", "coefficient_types"]:
                changes[option] = " ".join(f"var_{slot.name}" for slot in slots)
            elif many:
                changes |= self._coefficients()
            else:
                changes[option] = f"var_{slots[0].name}"
        return changes

    def _coefficients(self) -> dict[str, str]:
        short = {"YOUNGS_MODULUS": "E", "POISSONS_RATIO": "nu", "SHEAR_MODULUS": "G", "BULK_MODULUS": "K"}
        words = self.options["coefficient_types"].split()
        return {"coefficients": " ".join(f"var_{short[w]}" for w in words)}

    # -- values ------------------------------------------------------------------------------------------------------

    def interval(self, name: str) -> tuple[Any, Any]:
        return self.domain.get(name, (-1.0, 1.0))

    def shape(self, model: Any, name: str) -> tuple[int, ...]:
        return (*self.leads.get(name, self.lead), *model.input_spec[name].BASE_SHAPE)

    def inputs(self, unit: Callable[[tuple[int, ...]], Array], batch: tuple[int, ...] = ()) -> dict[str, Array]:
        """Values of the unpromoted inputs; `unit(shape)` gives numbers in [0, 1]."""
        values = {}
        for name in self.model.input_spec:
            low, high = self.interval(name)
            values[name] = low + (high - low) * unit((*batch, *self.shape(self.model, name)))
        return values

    def parameters(self) -> dict[str, Array]:
        """Values of the stored parameters by the name of the variable that stands for them when promoted."""
        return {f"var_{slot.name}": self.model._parameters[slot.name].detach().numpy() for slot in slots(self.model)}

    def typed(self, model: Any, values: Mapping[str, Array], dtype: torch.dtype = F64) -> dict[str, Any]:
        stored = {f"var_{slot.name}": slot.sub_batch_ndim for slot in slots(self.model)}
        sites = {name: len(self.leads.get(name, self.lead)) if self.sites else 0 for name in model.input_spec} | stored
        return {
            name: type_(torch.as_tensor(np.asarray(values[name])).to(dtype), sub_batch_ndim=sites[name])
            for name, type_ in model.input_spec.items()
        }

    def expected(self, values: Mapping[str, Array]) -> tuple[Array, ...]:
        """The reference at one point; `values` may override parameters by their variable names."""
        arguments = [values[name] for name in self.model.input_spec]
        arguments += [values.get(name, value) for name, value in self.parameters().items()]
        result = self.reference(*arguments)
        return tuple(np.asarray(r, dtype=float) for r in (result if isinstance(result, tuple) else (result,)))


def slots(model: Any) -> list[Any]:
    return model.parameter_slots


@cache
def _model_of(example_id: int, promote: bool) -> Any:
    example = _EXAMPLES[example_id]
    if not promote:
        return example.build()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuspiciousReference)
        model = example.build(example.promotion())
    assert all(isinstance(slot, Promoted) for slot in slots(model) if f"var_{slot.name}" in model.input_spec)
    return model


_EXAMPLES: dict[int, Example] = {}


def _model(example: Example, promote: bool) -> Any:
    _EXAMPLES.setdefault(id(example), example)
    return _model_of(id(example), promote)


# ---- tensors in numpy ------------------------------------------------------------------------------------------------

ROOT2 = np.sqrt(2.0)
EPS = np.finfo(float).eps
PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
WEIGHTS = np.array([1.0, 1.0, 1.0, ROOT2, ROOT2, ROOT2])


def full(a: Array) -> Array:
    """3x3 matrix of Mandel storage."""
    m = np.zeros((3, 3))
    for k, (i, j) in enumerate(PAIRS):
        m[i, j] = m[j, i] = a[k] / WEIGHTS[k]
    return m


def mandel(m: Array) -> Array:
    return np.array([WEIGHTS[k] * (m[i, j] + m[j, i]) / 2 for k, (i, j) in enumerate(PAIRS)])


def mandel4(c: Array) -> Array:
    """6x6 Mandel matrix of C_ijkl."""
    return np.array([[WEIGHTS[a] * WEIGHTS[b] * c[i, j, k, m] for b, (k, m) in enumerate(PAIRS)]
                     for a, (i, j) in enumerate(PAIRS)])  # fmt: skip


def full4(c: Array) -> Array:
    """C_ijkl of a 6x6 Mandel matrix."""
    index = {(i, j): a for a, (i, j) in enumerate(PAIRS)}
    index |= {(j, i): a for (i, j), a in index.items()}
    out = np.zeros((3, 3, 3, 3))
    for (i, j), a in index.items():
        for (k, m), b in index.items():
            out[i, j, k, m] = c[a, b] / (WEIGHTS[a] * WEIGHTS[b])
    return out


def isotropic(x: float) -> Array:
    return mandel(x * np.eye(3))


def deviator(a: Array) -> Array:
    m = full(a)
    return m - np.trace(m) / 3 * np.eye(3)


def frobenius(m: Array) -> float:
    return float(np.sum(m * m))


def axial(m: Array) -> Array:
    return np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]) / 2


def rotation_matrix(r: Array) -> Array:
    """Rodrigues' formula by axis and angle of modified Rodrigues parameters."""
    length = np.sqrt(r @ r)
    n, angle = (r / length if length else r), 4 * np.arctan(length)
    w = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    return np.eye(3) + np.sin(angle) * w + (1 - np.cos(angle)) * (w @ w)


def turned(w: Array, r: Array) -> Array:
    """Modified Rodrigues parameters of the rotation by the vector w after r, by way of quaternions."""
    angle = np.sqrt(w @ w)
    n = w / angle if angle else w
    a, u = np.cos(angle / 2), np.sin(angle / 2) * n
    s = r @ r
    b, v = (1 - s) / (1 + s), 2 * r / (1 + s)
    return (a * v + b * u + np.cross(u, v)) / (1 + a * b - u @ v)


def table(x: float, xs: Array, ys: Array) -> float:
    k = int(np.clip(np.searchsorted(xs, x, side="right"), 1, len(xs) - 1))
    return ys[k - 1] + (ys[k] - ys[k - 1]) * (x - xs[k - 1]) / (xs[k] - xs[k - 1])


def table2(x: float, y: float, xs: Array, ys: Array, zs: Array) -> Array:
    columns = [np.asarray(table(y, ys, row)) for row in zs]
    return np.asarray(table(x, xs, np.array(columns)))

# SPDX-License-Identifier: MIT
"""Residual and Jacobian of a nonlinear system on raw tensors, for all material points or for some rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..models import Model
from ..models.parameters import Stored
from ..solvers import DenseLU, LinearSolver
from ..types import TensorWrapper
from . import forward_mode
from .bordered import Bordered, Inverse, Partition, assemble, common_rows, probes
from .layout import Layout

VECTORISE_BELOW = 4096
"""Up to this many points Jacobian columns are a leading batch axis, which has the least overhead; above, vmap keeps
values that do not depend on the column from being computed once for each."""


@dataclass(frozen=True)
class Slot:
    """A given or a parameter: what its trailing axes are. `point_ndim` counts sub-batch and base axes."""

    name: str
    type: type
    sub_batch_ndim: int

    @property
    def point_ndim(self) -> int:
        return self.sub_batch_ndim + self.type.base_ndim  # type: ignore[attr-defined]

    def batch(self, value: torch.Tensor) -> torch.Size:
        return value.shape[: max(value.ndim - self.point_ndim, 0)]


def parameter_slots(model: Model) -> list[Slot]:
    """All stored parameters in a model, by their qualified names."""
    names = {id(value): name for name, value in model.named_parameters()}
    found: dict[str, Slot] = {}
    for child in model.modules():
        for slot in getattr(child, "parameter_slots", ()):
            value = child._parameters.get(slot.name) if isinstance(slot, Stored) else None
            if value is not None and id(value) in names:
                name = names[id(value)]
                found.setdefault(name, Slot(name, slot.type, slot.sub_batch_ndim))
    return list(found.values())


class _Evaluation(torch.nn.Module):
    """A model's `evaluate` as the `forward` that torch.func.functional_call replaces parameters of."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: dict[str, TensorWrapper]) -> dict[str, TensorWrapper]:
        return self.model.evaluate(state)


@dataclass
class Residual:
    """r(u; givens, parameters) of one call. Values of givens and parameters are passed in as raw tensors, in the
    order of `slots`; parameters keep those of the model where `swap` is off. It must be on where a parameter has batch
    axes, of which some points take some values. `part`: which unknowns belong to sites that are eliminated one by one,
    if any do. `linear_solver`: finds the steps of Newton's method. `predicted`: what the first guess was made of."""

    model: Model
    layout: Layout
    givens: list[Slot]
    parameters: list[Slot]
    swap: bool = False
    part: Partition | None = None
    linear_solver: LinearSolver = field(default_factory=DenseLU)
    predicted: Mapping[str, TensorWrapper] = field(default_factory=dict)

    @property
    def slots(self) -> list[Slot]:
        return [*self.givens, *self.parameters]

    def __call__(self, u: torch.Tensor, values: Sequence[torch.Tensor]) -> torch.Tensor:
        """u: (*batch, n) -> (*batch, n)."""
        state = self.layout.unpack(u)
        for slot, value in zip(self.givens, values, strict=False):
            state[slot.name] = slot.type(value, sub_batch_ndim=slot.sub_batch_ndim)
        if self.swap and self.parameters:
            names = (f"model.{slot.name}" for slot in self.parameters)
            swapped = dict(zip(names, values[len(self.givens) :], strict=True))
            outputs = torch.func.functional_call(_Evaluation(self.model), swapped, (state,))
        else:
            outputs = self.model.evaluate(state)
        r = self.layout.pack_residual(outputs)
        return r.expand(torch.broadcast_shapes(r.shape, u.shape))

    def with_jacobian(self, u: torch.Tensor, values: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """r (*batch, n) and dr/du (*batch, n, n), column j being the response to a unit change of component j at all
        points, which do not influence each other."""
        basis = torch.eye(u.shape[-1], dtype=u.dtype, device=u.device)
        if _inside_dual_level():
            r, rows = self._pulled(u, values, basis)
            return r, rows.movedim(0, -2)
        r, columns = self._pushed(u, values, basis)
        return r, columns.movedim(0, -1)

    def with_bordered_jacobian(
        self, u: torch.Tensor, values: Sequence[torch.Tensor], part: Partition
    ) -> tuple[torch.Tensor, Bordered]:
        """The same where the unknowns are those of many sites and a few common ones, in time proportional to the sites:
        forward mode for all sites at once, reverse mode for the common residuals."""
        directions = probes(part, u)
        if _inside_dual_level():
            r, jacobian = self.with_jacobian(u, values)
            images, border = (jacobian @ directions.mT).movedim(-1, 0), common_rows(part, u) @ jacobian
            return r, assemble(part, images, border.movedim(-2, 0))
        r, images = self._pushed(u, values, directions)
        border = self._pulled(u, values, common_rows(part, u))[1] if part.m else images[:0]
        return r, assemble(part, images, border)

    def inverse_jacobian(self, u: torch.Tensor, values: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The tensors of `inverse` at u; NaN at points where the Jacobian is singular."""
        if self.part is None:
            return self.inverse.of(self.with_jacobian(u, values)[1])
        return self.inverse.of(self.with_bordered_jacobian(u, values, self.part)[1])

    @property
    def inverse(self) -> Inverse:
        return Inverse(self.part)

    def _pushed(self, u: torch.Tensor, values: Sequence[torch.Tensor], basis: torch.Tensor) -> tuple:
        """r, and its derivatives (c, *batch, n) in the directions `basis` (c, n)."""
        function = functools.partial(self.__call__, values=values)
        basis = _at_all_points(basis, u)
        if u.numel() <= VECTORISE_BELOW * u.shape[-1]:
            r, columns = forward_mode.jvp(function, u.expand(basis.shape).contiguous(), basis)
            return r[0], columns
        u = u.contiguous()
        return torch.func.vmap(lambda v: torch.func.jvp(function, (u,), (v,)), out_dims=(None, 0))(basis)

    def _pulled(self, u: torch.Tensor, values: Sequence[torch.Tensor], basis: torch.Tensor) -> tuple:
        """r, and the gradients (c, *batch, n) of its combinations `basis` (c, n)."""
        r, pull = torch.func.vjp(functools.partial(self.__call__, values=values), u)
        return r, torch.func.vmap(lambda v: pull(v)[0])(_at_all_points(basis, u))

    def batch(self, u: torch.Tensor, values: Sequence[torch.Tensor]) -> torch.Size:
        """The dynamic batch shape of u and all values together."""
        return torch.broadcast_shapes(u.shape[:-1], *(s.batch(v) for s, v in self._pairs(values)))

    def rows(self, values: Sequence[torch.Tensor], batch: torch.Size, index: torch.Tensor) -> list[torch.Tensor]:
        """The values of some points, by their flat (row-major) numbers in the batch; (rows, *point)."""
        return [row(slot, value, batch, index) for slot, value in self._pairs(values)]

    def _pairs(self, values: Sequence[torch.Tensor]) -> Iterator[tuple[Slot, torch.Tensor]]:
        return zip(self.slots, values, strict=True)


def _at_all_points(basis: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """(c, n) -> (c, *batch, n)."""
    c, n = basis.shape
    return basis.reshape(c, *(1,) * (u.ndim - 1), n).expand(c, *u.shape).contiguous()


def _inside_dual_level() -> bool:
    """Whether forward_ad.dual_level was entered by hand, in which torch.func.jvp cannot be called."""
    from torch._functorch import eager_transforms

    return torch.autograd.forward_ad._current_level >= 0 and not eager_transforms.JVP_NESTING


def row(slot: Slot, value: torch.Tensor, batch: torch.Size, index: torch.Tensor) -> torch.Tensor:
    """One value at some points; an unbatched one as it is."""
    own = slot.batch(value)
    if math.prod(own) == 1 and math.prod(batch) != 1:
        return value.reshape(value.shape[len(own) :])
    point = value.shape[len(own) :]
    return value.expand((*batch, *point)).reshape(-1, *point)[index]


def common_dtype(values: Sequence[Any]) -> torch.dtype:
    """The floating dtype values promote to."""
    dtype = functools.reduce(torch.promote_types, (value.dtype for value in values))
    return dtype if dtype.is_floating_point else torch.get_default_dtype()

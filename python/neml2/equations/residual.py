# SPDX-License-Identifier: MIT
"""Residual and Jacobian of a nonlinear system on raw tensors, for all material points or for some rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..models import Model
from ..models.parameters import Stored
from ..types import TensorWrapper
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
    axes, of which some points take some values."""

    model: Model
    layout: Layout
    givens: list[Slot]
    parameters: list[Slot]
    swap: bool = False

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
        n = u.shape[-1]
        function = functools.partial(self.__call__, values=values)
        basis = torch.eye(n, dtype=u.dtype, device=u.device)
        basis = basis.reshape(n, *(1,) * (u.ndim - 1), n).expand(n, *u.shape).contiguous()
        if _inside_dual_level():
            r, pull = torch.func.vjp(function, u)
            return r, torch.func.vmap(lambda v: pull(v)[0])(basis).movedim(0, -2)
        if u.numel() <= VECTORISE_BELOW * n:
            r, columns = torch.func.jvp(function, (u.expand(n, *u.shape).contiguous(),), (basis,))
            r = r[0]
        else:
            u = u.contiguous()
            r, columns = torch.func.vmap(lambda v: torch.func.jvp(function, (u,), (v,)), out_dims=(None, 0))(basis)
        return r, columns.movedim(0, -1)

    def batch(self, u: torch.Tensor, values: Sequence[torch.Tensor]) -> torch.Size:
        """The dynamic batch shape of u and all values together."""
        return torch.broadcast_shapes(u.shape[:-1], *(s.batch(v) for s, v in self._pairs(values)))

    def rows(self, values: Sequence[torch.Tensor], batch: torch.Size, index: torch.Tensor) -> list[torch.Tensor]:
        """The values of some points, by their flat (row-major) numbers in the batch; (rows, *point)."""
        return [row(slot, value, batch, index) for slot, value in self._pairs(values)]

    def _pairs(self, values: Sequence[torch.Tensor]) -> Iterator[tuple[Slot, torch.Tensor]]:
        return zip(self.slots, values, strict=True)


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

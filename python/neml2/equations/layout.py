# SPDX-License-Identifier: MIT
"""How unknowns and residuals lie side by side in one vector per material point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ..errors import InvalidModel
from ..types import TensorWrapper
from .nonlinear_system import Group


@dataclass(frozen=True)
class Entry:
    """One unknown, the residual paired with it, and where both lie in their vectors."""

    unknown: str
    residual: str
    type: type
    sub_batch: tuple[int, ...]
    offset: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.sub_batch, *self.type.BASE_SHAPE)  # type: ignore[attr-defined]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Layout:
    """Vectors of shape (*dynamic_batch, size): per unknown, its (sub_batch x base) components, row major.

    A residual has the sub-batch shape of its unknown. `groups` holds the entries of each group of unknowns.
    """

    def __init__(self, groups: Sequence[Group], guesses: Sequence[TensorWrapper]) -> None:
        self.entries: list[Entry] = []
        self.groups: list[list[Entry]] = []
        self.size = 0
        values = iter(guesses)
        for group in groups:
            self.groups.append([])
            for unknown, residual in zip(group.unknowns, group.residuals, strict=True):
                guess = next(values)
                entry = Entry(unknown, residual, type(guess), tuple(guess.sub_batch_shape), self.size)
                self.entries.append(entry)
                self.groups[-1].append(entry)
                self.size += entry.size

    def pack(self, values: Sequence[torch.Tensor]) -> torch.Tensor:
        """Raw values (*dynamic, *entry.shape) -> (*dynamic, size); dynamic axes broadcast against each other."""
        parts = [_flatten(v, len(e.shape), e.size) for e, v in zip(self.entries, values, strict=True)]
        batch = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
        return torch.cat([part.expand(*batch, part.shape[-1]) for part in parts], -1)

    def by_groups(self, values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Raw values, their dynamic axes broadcast within each group."""
        found: list[torch.Tensor] = []
        rest = list(values)
        for group in self.groups:
            here, rest = rest[: len(group)], rest[len(group) :]
            points = [len(e.shape) for e in group]
            dynamic = torch.broadcast_shapes(*(v.shape[: v.ndim - p] for v, p in zip(here, points, strict=True)))
            found += [v.expand((*dynamic, *v.shape[v.ndim - p :])) for v, p in zip(here, points, strict=True)]
        return found

    def typed(self, values: Sequence[torch.Tensor]) -> dict[str, TensorWrapper]:
        """Raw values as typed unknowns by name."""
        pairs = zip(self.entries, values, strict=True)
        return {e.unknown: e.type(v, sub_batch_ndim=len(e.sub_batch)) for e, v in pairs}

    def unpack(self, u: torch.Tensor) -> dict[str, TensorWrapper]:
        """(*dynamic, size) -> typed unknowns by name."""
        return self.typed(
            [u[..., e.offset : e.offset + e.size].reshape((*u.shape[:-1], *e.shape)) for e in self.entries]
        )

    def pack_residual(self, values: Mapping[str, TensorWrapper]) -> torch.Tensor:
        """Typed outputs of the model by name -> (*dynamic, size)."""
        return self.pack([self._residual_data(e, values[e.residual]) for e in self.entries])

    def _residual_data(self, entry: Entry, value: TensorWrapper) -> torch.Tensor:
        rank, own = value.sub_batch_ndim, len(entry.sub_batch)
        base = value.data.ndim - value.base_ndim
        data = value.data
        if base == 0 or not own:
            if rank and base:
                raise InvalidModel(self._mismatch(entry, value))
            return data.expand(*entry.sub_batch, *data.shape) if own else data
        dynamic = max(base - rank, 0)
        data = data.reshape((*data.shape[:dynamic], *(1,) * (own - rank), *data.shape[dynamic:]))
        sites = tuple(data.shape[dynamic : dynamic + own])
        if rank > own or any(n not in (1, m) for n, m in zip(sites, entry.sub_batch, strict=True)):
            raise InvalidModel(self._mismatch(entry, value))
        return data.expand(*data.shape[:dynamic], *entry.sub_batch, *data.shape[dynamic + own :])

    @staticmethod
    def _mismatch(entry: Entry, value: TensorWrapper) -> str:
        return (
            f"residual '{entry.residual}' has sub-batch shape {tuple(value.sub_batch_shape)}, its unknown "
            f"'{entry.unknown}' {entry.sub_batch}; declare it in [Settings/example_batch_shape], or give it by an "
            "initial condition"
        )


def _flatten(value: torch.Tensor, ndim: int, size: int) -> torch.Tensor:
    return value.reshape((*value.shape[: value.ndim - ndim], size))

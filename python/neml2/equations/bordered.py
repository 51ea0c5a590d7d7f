# SPDX-License-Identifier: MIT
"""Systems of many sites that meet only in a few common unknowns: a block-diagonal Jacobian with a border.

With S sites of k unknowns each and m common ones,

    | D_1           E_1 |
    |      ...      ... |   D (*batch, S, k, k)   E (*batch, S, k, m)
    |          D_S  E_S |   F (*batch, S, m, k)   G (*batch, m, m)
    | F_1 ...  F_S   G  |

Everything costs time and memory proportional to S. Both k and m may be zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..errors import InvalidModel
from .layout import Entry

Solve = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(A (..., n, n), B (..., n, c)) -> A^-1 B."""


@dataclass(frozen=True)
class Partition:
    """Which unknowns belong to the sites, and which are common."""

    sites: int
    own: tuple[Entry, ...]
    common: tuple[Entry, ...]

    @property
    def k(self) -> int:
        return sum(entry.size for entry in self.own) // self.sites if self.sites else 0

    @property
    def m(self) -> int:
        return sum(entry.size for entry in self.common)

    def split(self, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., n) -> (..., S, k) and (..., m)."""
        own = [_part(v, e).reshape(*v.shape[:-1], self.sites, e.size // self.sites) for e in self.own]
        common = [_part(v, e) for e in self.common]
        none = v[..., :0]
        return torch.cat(own, -1), torch.cat(common, -1) if common else none

    def join(self, own: torch.Tensor, common: torch.Tensor) -> torch.Tensor:
        """The inverse of `split`."""
        parts: dict[int, torch.Tensor] = {}
        offset = 0
        for entry in self.own:
            width = entry.size // self.sites
            parts[entry.offset] = own[..., offset : offset + width].flatten(-2)
            offset += width
        offset = 0
        for entry in self.common:
            parts[entry.offset] = common[..., offset : offset + entry.size]
            offset += entry.size
        return torch.cat([parts[key] for key in sorted(parts)], -1)


def _part(v: torch.Tensor, entry: Entry) -> torch.Tensor:
    return v[..., entry.offset : entry.offset + entry.size]


def partition(entries: Sequence[Entry], blocks: Sequence[bool]) -> Partition:
    """The partition where some unknowns, those of groups with block structure, belong to sites.

    Raises InvalidModel if these have different sub-batch shapes.
    """
    own = tuple(e for e, block in zip(entries, blocks, strict=True) if block)
    common = tuple(e for e, block in zip(entries, blocks, strict=True) if not block)
    for entry in own[1:]:
        if entry.sub_batch != own[0].sub_batch:
            raise InvalidModel(
                f"unknowns of block groups must share one sub-batch shape; '{own[0].unknown}' has {own[0].sub_batch}, "
                f"'{entry.unknown}' {entry.sub_batch}"
            )
    return Partition(math.prod(own[0].sub_batch), own, common)


@dataclass(frozen=True)
class Bordered:
    """A batch of such matrices."""

    D: torch.Tensor
    E: torch.Tensor
    F: torch.Tensor
    G: torch.Tensor

    def parts(self) -> tuple[tuple[torch.Tensor, int], ...]:
        """The four blocks, and how many axes each has per point."""
        return (self.D, 3), (self.E, 3), (self.F, 3), (self.G, 2)

    def rows(self, index: torch.Tensor) -> Bordered:
        return Bordered(*(x[index] for x, _ in self.parts()))

    def solve(self, own: torch.Tensor, common: torch.Tensor, inner: Solve, outer: Solve) -> tuple:
        """The solution for a right-hand side (*batch, S, k), (*batch, m): sites are eliminated one by one by `inner`,
        what is left of the common unknowns is solved by `outer`."""
        solved = inner(self.D, torch.cat([self.E, own.unsqueeze(-1)], -1))
        Y, z = solved[..., :-1], solved[..., -1]
        if not common.shape[-1]:
            return z, common
        S = self.G - (self.F @ Y).sum(-3)
        x = outer(S, (common - _apply(self.F, z).sum(-2)).unsqueeze(-1)).squeeze(-1)
        return z - _apply(Y, x.unsqueeze(-2)), x


@dataclass(frozen=True)
class Inverse:
    """Inverses of a batch of matrices, as tensors: one for dense matrices (`part` None), for bordered ones D^-1, E, F
    and the inverse of the Schur complement. Singular ones have NaN."""

    part: Partition | None

    def of(self, matrix: torch.Tensor | Bordered) -> tuple[torch.Tensor, ...]:
        if not isinstance(matrix, Bordered):
            return (_inverted(matrix),)
        D = _inverted(matrix.D)
        return D, matrix.E, matrix.F, _inverted(matrix.G - (matrix.F @ (D @ matrix.E)).sum(-3))

    def solve(self, tensors: Sequence[torch.Tensor], b: torch.Tensor) -> torch.Tensor:
        """A^-1 b for b (..., n)."""
        if self.part is None:
            return _apply(tensors[0], b)
        return self._solve(*tensors, b)

    def solve_transposed(self, tensors: Sequence[torch.Tensor], b: torch.Tensor) -> torch.Tensor:
        """A^-T b."""
        if self.part is None:
            return _apply(tensors[0].mT, b)
        D, E, F, S = tensors
        return self._solve(D.mT, F.mT, E.mT, S.mT, b)

    def _solve(
        self, D: torch.Tensor, E: torch.Tensor, F: torch.Tensor, S: torch.Tensor, b: torch.Tensor
    ) -> torch.Tensor:
        assert self.part is not None
        own, common = self.part.split(b)
        x = _apply(S, common - _apply(F, _apply(D, own)).sum(-2))
        return self.part.join(_apply(D, own - _apply(E, x.unsqueeze(-2))), x)


def _inverted(matrix: torch.Tensor) -> torch.Tensor:
    inverse, info = torch.linalg.inv_ex(matrix)
    return torch.where((info == 0)[..., None, None], inverse, torch.nan)


def _apply(matrix: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (matrix @ v.unsqueeze(-1)).squeeze(-1)


def probes(part: Partition, like: torch.Tensor) -> torch.Tensor:
    """Directions (k + m + 1, n) whose images give D, E and G: each unknown of all sites at once, each common one, and
    one that differs from site to site, which shows whether sites are coupled directly."""
    k, m, S = part.k, part.m, part.sites
    unit = torch.eye(k + m, dtype=like.dtype, device=like.device)
    own = unit[:, None, :k].expand(k + m, S, k)
    return part.join(torch.cat([own, _uneven(part, like)[None]]), torch.cat([unit[:, k:], unit.new_zeros(1, m)]))


def common_rows(part: Partition, like: torch.Tensor) -> torch.Tensor:
    """The unit vectors (m, n) of the common residuals."""
    unit = torch.eye(part.m, dtype=like.dtype, device=like.device)
    return part.join(unit.new_zeros(part.m, part.sites, part.k), unit)


def _uneven(part: Partition, like: torch.Tensor) -> torch.Tensor:
    """A direction (S, k) without pattern over the sites."""
    count = torch.arange(1, part.sites * part.k + 1, dtype=like.dtype, device=like.device)
    return torch.cos(count).reshape(part.sites, part.k)


def assemble(part: Partition, images: torch.Tensor, border: torch.Tensor) -> Bordered:
    """The matrix from the images (k + m + 1, *batch, n) of `probes` and the common rows (m, *batch, n).

    Raises InvalidModel if residuals of one site depend on unknowns of another.
    """
    k, m = part.k, part.m
    own, common = part.split(images)
    D = own[:k].movedim(0, -1)
    E = own[k : k + m].movedim(0, -1)
    G = common[k : k + m].movedim(0, -1)
    F = part.split(border)[0].movedim(0, -2)
    _check_uncoupled(part, D, own[-1])
    return Bordered(D, E, F, G)


def _check_uncoupled(part: Partition, D: torch.Tensor, image: torch.Tensor) -> None:
    if not D.numel():
        return
    error = (_apply(D, _uneven(part, D)) - image).abs().amax((-1, -2))
    scale = part.k * D.abs().amax((-1, -2, -3))
    if bool((error > 1e3 * torch.finfo(D.dtype).eps * scale).any()):
        names = ", ".join(f"'{entry.residual}'" for entry in part.own)
        raise InvalidModel(
            f"the residuals {names} of one site depend on the unknowns of other sites; a group with such unknowns is "
            "'dense', not 'block'"
        )

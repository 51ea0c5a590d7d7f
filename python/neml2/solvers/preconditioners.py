# SPDX-License-Identifier: MIT
"""Preconditioners of Krylov solvers: approximations of a matrix whose inverse is cheap."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..hit import HitObject, register

Factor = tuple[torch.Tensor, ...]


class Preconditioner(HitObject):
    """M ~ A for matrices (batch, n, n)."""

    SECTION = "Solvers"
    assembles = True
    """Whether it needs the matrix."""

    def build(self, A: torch.Tensor, sizes: Sequence[int]) -> Factor:
        """What `apply` needs, each with a leading batch axis. sizes: widths of the unknowns in A."""
        raise NotImplementedError

    def apply(self, factor: Factor, v: torch.Tensor) -> torch.Tensor:
        """M^-1 v for v (batch, n)."""
        raise NotImplementedError


@register("NoPreconditioner")
class NoPreconditioner(Preconditioner):
    """The identity, as if none were given."""

    assembles = False

    def build(self, A: torch.Tensor, sizes: Sequence[int]) -> Factor:
        return ()

    def apply(self, factor: Factor, v: torch.Tensor) -> torch.Tensor:
        return v


@register("JacobiPreconditioner")
class JacobiPreconditioner(Preconditioner):
    """The diagonal; entries smaller than eps are taken as eps with their sign."""

    def build(self, A: torch.Tensor, sizes: Sequence[int]) -> Factor:
        return (1.0 / away_from_zero(A.diagonal(dim1=-2, dim2=-1)),)

    def apply(self, factor: Factor, v: torch.Tensor) -> torch.Tensor:
        return factor[0] * v


@register("BlockJacobiPreconditioner")
class BlockJacobiPreconditioner(Preconditioner):
    """The diagonal blocks of the unknown variables, each with all its sites."""

    def build(self, A: torch.Tensor, sizes: Sequence[int]) -> Factor:
        ends = torch.tensor(sizes).cumsum(0).tolist()
        blocks = [A[..., end - size : end, end - size : end] for size, end in zip(sizes, ends, strict=True)]
        return tuple(torch.linalg.inv_ex(block)[0] for block in blocks)

    def apply(self, factor: Factor, v: torch.Tensor) -> torch.Tensor:
        parts = v.split([block.shape[-1] for block in factor], -1)
        return torch.cat([_apply(block, part) for block, part in zip(factor, parts, strict=True)], -1)


@register("FullPreconditioner")
class FullPreconditioner(Preconditioner):
    """The matrix itself, by LU factorisation."""

    def build(self, A: torch.Tensor, sizes: Sequence[int]) -> Factor:
        LU, pivots, _ = torch.linalg.lu_factor_ex(A)
        return LU, pivots

    def apply(self, factor: Factor, v: torch.Tensor) -> torch.Tensor:
        return torch.linalg.lu_solve(*factor, v.unsqueeze(-1)).squeeze(-1)


def away_from_zero(x: torch.Tensor) -> torch.Tensor:
    """`x` with magnitudes of at least eps; zero becomes +eps."""
    eps = torch.finfo(x.dtype).eps
    return torch.where(x.abs() < eps, torch.where(x < 0.0, -eps, eps), x)


def _apply(matrix: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (matrix @ v.unsqueeze(-1)).squeeze(-1)

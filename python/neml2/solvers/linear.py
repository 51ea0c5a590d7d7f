# SPDX-License-Identifier: MIT
"""Direct linear solvers, one small system per material point or site."""

from __future__ import annotations

from typing import Any

import torch

from ..hit import HitObject, Option, Reference, register


class LinearSolver(HitObject):
    """What a nonlinear solver and a Schur complement solve their linear systems with."""

    SECTION = "Solvers"

    def solve_columns(self, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        """The solution (..., n, c) of A (..., n, n) X = B (..., n, c); NaN where A is singular."""
        raise NotImplementedError


@register("DenseLU")
class DenseLU(LinearSolver):
    """LU factorisation with partial pivoting, one small dense system per material point, or per site where the group of
    unknowns has structure `block`. For equation systems with a single group of unknowns.
    """

    def solve_columns(self, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        X, info = torch.linalg.solve_ex(A, B)
        return torch.where((info == 0)[..., None, None], X, torch.nan)


@register("SchurComplement")
class SchurComplement(LinearSolver):
    """Elimination of one of two groups of unknowns: `primary_solver` solves for the primary group, `schur_solver` for
    the other one.

    A group of structure `block` is the one that is eliminated, site by site, whichever is called primary, so that work
    and memory grow with the number of sites and no faster. Systems without such a group are solved as a whole.
    """

    residual_primary_group: int = Option(int, 0)
    unknown_primary_group: int = Option(int, 0)
    primary_solver: Any = Reference("Solvers")
    schur_solver: Any = Reference("Solvers")

    def setup(self) -> None:
        for option in ("residual_primary_group", "unknown_primary_group"):
            if getattr(self, option) not in (0, 1):
                raise self.error(f"{getattr(self, option)} is neither 0 nor 1", option)
        for option in ("primary_solver", "schur_solver"):
            solver = getattr(self, option)
            if not isinstance(solver, LinearSolver) or isinstance(solver, SchurComplement):
                kind = type(solver).__name__
                raise self.error(f"a {kind} solves no single group; expected DenseLU, GMRES or BiCGStab", option)

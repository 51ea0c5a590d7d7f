# SPDX-License-Identifier: MIT
"""Linearised systems that solve for Newton's step themselves, where one dense factorisation per point will not do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ..solvers import DenseLU, Krylov, LinearSolver, SchurComplement
from . import forward_mode
from .bordered import Bordered, Partition
from .residual import Residual


@dataclass
class SiteLinearization:
    """Sites and common unknowns; matrices have one leading axis of rows."""

    part: Partition
    matrix: Bordered
    solver: LinearSolver

    def solve_rows(self, rows: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        solver = self.solver
        schur = isinstance(solver, SchurComplement)
        inner, outer = (solver.primary_solver, solver.schur_solver) if schur else (solver, DenseLU())
        matrix = self.matrix.rows(rows.to(b.device))
        return self.part.join(*matrix.solve(*self.part.split(b), inner.solve_columns, outer.solve_columns))


@dataclass
class Preconditioning:
    """The preconditioner of one Newton solve, kept for all its points. `iterations`: of the last linear solve."""

    solver: Krylov
    points: torch.Tensor | None = None
    factor: tuple[torch.Tensor, ...] = ()
    iterations: int = 0

    def is_due(self) -> bool:
        """Whether the next step needs the matrix."""
        if not self.solver.preconditioner.assembles:
            return False
        slow = self.solver.cache_strategy == "max_its" and self.iterations > self.solver.cache_max_its
        return self.points is None or self.solver.cache_strategy == "none" or slow

    def build(self, points: torch.Tensor, matrix: torch.Tensor, sizes: Sequence[int]) -> None:
        self.points, self.factor = points, self.solver.preconditioner.build(matrix, sizes)

    def apply(self, points: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if self.points is None:
            return v
        where = torch.searchsorted(self.points, points).to(v.device)
        return self.solver.preconditioner.apply(tuple(x[where] for x in self.factor), v)


@dataclass
class KrylovLinearization:
    """Products by directional derivatives of the residual, or with the matrix where there is one.

    points: global numbers of the rows. u: (rows, n). values: those of the rows, or all with batch shape `batch`.
    """

    residual: Residual
    points: torch.Tensor
    u: torch.Tensor
    values: Sequence[torch.Tensor]
    batch: torch.Size
    preconditioning: Preconditioning
    matrix: torch.Tensor | None = field(default=None)

    def solve_rows(self, rows: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        points, here = self.points[rows], rows.to(b.device)
        if self.matrix is not None:
            A = self.matrix[here]
            product = lambda v: (A @ v.unsqueeze(-1)).squeeze(-1)  # noqa: E731
        else:
            u, values = self.u[here], self.residual.rows(self.values, self.batch, here)
            product = lambda v: forward_mode.jvp(lambda x: self.residual(x, values), u, v)[1]  # noqa: E731
        x, iterations = self.preconditioning.solver.solve(product, b, lambda v: self.preconditioning.apply(points, v))
        self.preconditioning.iterations = iterations
        return x

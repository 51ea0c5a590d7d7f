# SPDX-License-Identifier: MIT
"""Krylov solvers for batches of linear systems, which need products A v only."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch

from ..hit import Option, Reference, register
from .linear import LinearSolver
from .preconditioners import NoPreconditioner, Preconditioner

Product = Callable[[torch.Tensor], torch.Tensor]
"""(batch, n) -> (batch, n)."""


class NotConverged(UserWarning):
    """A Krylov solver used up its iterations; Newton's method goes on with what it has."""


class Krylov(LinearSolver):
    """What Krylov solvers share.

    A system has been solved when |r| < abs_tol or |r|/|b| < rel_tol. `preconditioner` is rebuilt in every step of
    Newton's method (`cache_strategy = none`), in its first one only (`chord`), or when the last linear solve took more
    than `cache_max_its` iterations (`max_its`).
    """

    max_its: int = Option(int, 1000)
    abs_tol: float = Option(float, 0.0)
    rel_tol: float = Option(float, 1e-4)
    preconditioner: Any = Reference("Solvers", default=None)
    cache_strategy: str = Option(str, "none", choices=("none", "chord", "max_its"))
    cache_max_its: int = Option(int, 10)

    def setup(self) -> None:
        if self.preconditioner is None:
            self.preconditioner = NoPreconditioner()
        if not isinstance(self.preconditioner, Preconditioner):
            kind = type(self.preconditioner).__name__
            raise self.error(f"a {kind} is no preconditioner", "preconditioner")
        if self.max_its < 1:
            raise self.error(f"{self.max_its} is no number of iterations; expected 1 or more", "max_its")
        for option in ("abs_tol", "rel_tol"):
            if not (getattr(self, option) >= 0 and math.isfinite(getattr(self, option))):
                raise self.error(f"{getattr(self, option)} is no tolerance; expected 0 or more", option)

    def solve(self, product: Product, b: torch.Tensor, precondition: Product) -> tuple[torch.Tensor, int]:
        """The solution (batch, n) of A x = b from x = 0, and the iterations of the slowest. Warns NotConverged."""
        length = _norm(b)
        tolerance = torch.clamp(self.abs_tol / nonzero(length), min=self.rel_tol)  # of a right-hand side of length one
        x, iterations, done = self._iterate(product, b / nonzero(length).unsqueeze(-1), precondition, tolerance)
        x = x * length.unsqueeze(-1)
        if not bool(done.all()):
            text = f"{type(self).__name__}: {int((~done).sum())} of {len(done)} systems not solved to the tolerance"
            warnings.warn(f"{text} in {iterations} iterations", NotConverged, stacklevel=2)
        return x, iterations

    def _iterate(
        self, product: Product, b: torch.Tensor, precondition: Product, tolerance: torch.Tensor
    ) -> tuple[torch.Tensor, int, torch.Tensor]:
        raise NotImplementedError

    def solve_columns(self, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        """As a solver inside another one, without preconditioner."""
        batch, n = A.shape[:-2], A.shape[-1]
        flat = A.reshape(-1, n, n)
        columns = B.expand(*batch, *B.shape[-2:]).reshape(-1, n, B.shape[-1])
        solved = [self.solve(lambda v: _apply(flat, v), b, lambda v: v)[0] for b in columns.unbind(-1)]
        return torch.stack(solved, -1).reshape(*batch, n, -1) if solved else columns.reshape(*batch, n, 0)


@register("GMRES")
class GMRES(Krylov):
    """Generalised minimal residuals, restarted after `restart` iterations, preconditioned from the left.

    Y. Saad and M. H. Schultz, SIAM J. Sci. Stat. Comput. 7 (1986).
    """

    restart: int = Option(int, 40)

    def setup(self) -> None:
        super().setup()
        if self.restart < 1:
            raise self.error(f"{self.restart} is no number of iterations; expected 1 or more", "restart")

    def _iterate(
        self, product: Product, b: torch.Tensor, precondition: Product, tolerance: torch.Tensor
    ) -> tuple[torch.Tensor, int, torch.Tensor]:
        x, total = torch.zeros_like(b), 0
        while True:
            r = precondition(b - product(x) if total else b)
            done = _norm(r) < tolerance
            if total >= self.max_its or bool(done.all()):
                return x, total, done
            step, used = self._cycle(product, r, precondition, tolerance, self.max_its - total)
            x, total = x + step, total + used

    def _cycle(
        self, product: Product, r: torch.Tensor, precondition: Product, tolerance: torch.Tensor, most: int
    ) -> tuple[torch.Tensor, int]:
        """The correction that minimises the residual over one Krylov space, and its dimension."""
        beta = _norm(r)
        V = [r / nonzero(beta).unsqueeze(-1)]
        R: list[torch.Tensor] = []  # columns of the triangular factor
        rotations: list[tuple[torch.Tensor, torch.Tensor]] = []
        g = [beta]
        for j in range(min(self.restart, most)):
            w, h = _orthogonal(precondition(product(V[j])), V)
            below = _norm(w)
            V.append(w / nonzero(below).unsqueeze(-1))
            column = list(h.unbind(-1))
            for i, (c, s) in enumerate(rotations):
                column[i], column[i + 1] = c * column[i] + s * column[i + 1], c * column[i + 1] - s * column[i]
            length = nonzero(torch.hypot(column[j], below))
            c, s = column[j] / length, below / length
            rotations.append((c, s))
            column[j] = length
            R.append(torch.stack(column, -1))
            g[j : j + 1] = [c * g[j], -s * g[j]]
            if bool((g[-1].abs() < tolerance).all()):
                break
        m = len(R)
        upper = torch.stack([torch.nn.functional.pad(column, (0, m - column.shape[-1])) for column in R], -1)
        y = torch.linalg.solve_triangular(upper, torch.stack(g[:m], -1).unsqueeze(-1), upper=True)
        return (torch.stack(V[:m], -1) @ y).squeeze(-1), m


@register("BiCGStab")
class BiCGStab(Krylov):
    """Stabilised biconjugate gradients, preconditioned search directions. An iteration takes two products.

    H. A. van der Vorst, SIAM J. Sci. Stat. Comput. 13 (1992).
    """

    def _iterate(
        self, product: Product, b: torch.Tensor, precondition: Product, tolerance: torch.Tensor
    ) -> tuple[torch.Tensor, int, torch.Tensor]:
        x, r, shadow = torch.zeros_like(b), b, b
        rho = alpha = omega = torch.ones_like(tolerance)
        p = v = torch.zeros_like(b)
        done = _norm(r) < tolerance
        for iteration in range(self.max_its):
            if bool(done.all()):
                return x, iteration, done
            before, rho = rho, _dot(shadow, r)
            # Where the recurrence has lost its footing it starts anew from the residual.
            lost = (rho.abs() <= 1e-8 * _norm(shadow) * _norm(r)) | (omega.abs() <= 1e-8)
            shadow = torch.where(lost.unsqueeze(-1), r, shadow)
            rho = torch.where(lost, _dot(r, r), rho)
            beta = torch.where(lost, 0.0, rho / nonzero(before) * alpha / nonzero(omega))
            p = r + beta.unsqueeze(-1) * (p - omega.unsqueeze(-1) * v)
            p_hat = precondition(p)
            v = product(p_hat)
            alpha = rho / nonzero(_dot(shadow, v))
            s = r - alpha.unsqueeze(-1) * v
            s_hat = precondition(s)
            t = product(s_hat)
            omega = _dot(t, s) / nonzero(_dot(t, t))
            moved = x + alpha.unsqueeze(-1) * p_hat + omega.unsqueeze(-1) * s_hat
            x = torch.where(done.unsqueeze(-1), x, moved)
            r = torch.where(done.unsqueeze(-1), r, s - omega.unsqueeze(-1) * t)
            done = _norm(r) < tolerance
        return x, self.max_its, done


def _orthogonal(w: torch.Tensor, V: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """`w` without its parts along `V`, and these; the second pass removes what rounding left of the first."""
    basis = torch.stack(V, -1)
    total = torch.zeros_like(basis[:, 0])
    for _ in range(2):
        h = _apply(basis.mT, w)
        w, total = w - _apply(basis, h), total + h
    return w, total


def nonzero(x: torch.Tensor) -> torch.Tensor:
    """`x` as a divisor of what is zero where `x` is."""
    return torch.where(x == 0.0, 1.0, x)


def _norm(v: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(v, dim=-1)


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(-1)


def _apply(matrix: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (matrix @ v.unsqueeze(-1)).squeeze(-1)

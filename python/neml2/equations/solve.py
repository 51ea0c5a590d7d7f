# SPDX-License-Identifier: MIT
"""Solving a residual for a batch of material points with the orchestrator of the C++ library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..failures import REASONS, FailedPoint
from ..solvers import Krylov
from ..solvers.convergence import ConvergenceError, describe
from .bordered import Bordered
from .causes import Causes, spoilt_points
from .linearization import KrylovLinearization, Preconditioning, SiteLinearization
from .residual import Residual, row


@dataclass
class Walk:
    """How a step is walked in parts, as positions among the values.

    forces: (current, old) pairs. states: (old state, position of its unknown in the layout).
    """

    level: int = 0
    forces: list[tuple[int, int]] = field(default_factory=list)
    states: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Part:
    """A part [begin, end] of the step that some points have taken, and their solution at its end."""

    begin: float
    end: float
    points: torch.Tensor
    u: torch.Tensor


@dataclass
class Solution:
    """u: (*batch, n), of the batch shape of the guess where no point needed an update. `parts`: what was walked, if
    some point needed more than one part."""

    u: torch.Tensor
    batch: torch.Size
    parts: list[Part]


class Rows:
    """The callbacks of one solve: residual and Jacobian of the points asked for."""

    def __init__(self, residual: Residual, values: Sequence[torch.Tensor], batch: torch.Size, walk: Walk) -> None:
        self.residual, self.values, self.batch, self.walk = residual, list(values), batch, walk
        self.count = math.prod(batch)
        self.parts: list[Part] = []
        self._span = (0.0, 1.0)
        self._u: torch.Tensor | None = None
        self._gathered: tuple[torch.Tensor, list[torch.Tensor]] | None = None
        self._spoilt: torch.Tensor | None = None
        self._preconditioning: Preconditioning | None = None

    def spoil(self, points: torch.Tensor) -> None:
        """Let these points (a mask of all) fail: their residual is NaN."""
        self._spoilt = points

    def linearize(self, u: torch.Tensor, points: torch.Tensor | None) -> tuple[torch.Tensor, Any]:
        """Residual, and the Jacobian or what solves for the step."""
        u, values = self._arguments(u, points)
        r, system = self._linearized(u, values, points)
        if self._spoilt is not None:
            here = self._spoilt if points is None else self._spoilt[points.to(r.device)]
            r = torch.where(here[:, None], torch.nan, r)
        return r, system

    def _linearized(
        self, u: torch.Tensor, values: list[torch.Tensor], points: torch.Tensor | None
    ) -> tuple[torch.Tensor, Any]:
        n, residual = u.shape[-1], self.residual
        if isinstance(residual.linear_solver, Krylov):
            return self._krylov(residual.linear_solver, u, values, points)
        if residual.part is not None:
            r, jacobian = residual.with_bordered_jacobian(u, values, residual.part)
            rows = Bordered(*(_rows(x, u.shape[:-1], ndim) for x, ndim in jacobian.parts()))
            return r.reshape(-1, n), SiteLinearization(residual.part, rows, residual.linear_solver)
        r, jacobian = residual.with_jacobian(u, values)
        return r.reshape(-1, n), _rows(jacobian, u.shape[:-1], 2)

    def _krylov(
        self, solver: Krylov, u: torch.Tensor, values: list[torch.Tensor], points: torch.Tensor | None
    ) -> tuple[torch.Tensor, KrylovLinearization]:
        n, batch = u.shape[-1], u.shape[:-1]
        numbers = torch.arange(self.count) if points is None else points
        kept = self._preconditioning = self._preconditioning or Preconditioning(solver)
        matrix = None
        if kept.is_due():
            r, jacobian = self.residual.with_jacobian(u, values)
            matrix = _rows(jacobian, batch, 2)
            kept.build(numbers, matrix, [entry.size for entry in self.residual.layout.entries])
        else:
            r = self.residual(u, values)
        system = KrylovLinearization(self.residual, numbers, u.reshape(-1, n), values, batch, kept, matrix)
        return r.reshape(-1, n), system

    def evaluate(self, u: torch.Tensor, points: torch.Tensor | None) -> torch.Tensor:
        u, values = self._arguments(u, points)
        return self.residual(u, values).reshape(-1, u.shape[-1])

    def begin(self, points: torch.Tensor, begin: float, end: float) -> None:
        self._span = (begin, end)
        self._gathered = None
        self._preconditioning = None

    def commit(self, points: torch.Tensor, u: torch.Tensor) -> None:
        if self._u is None:
            self._u = u.new_zeros(self.count, u.shape[-1])
        self._u[points] = u
        self.parts.append(Part(*self._span, points, u))

    def _arguments(self, u: torch.Tensor, points: torch.Tensor | None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        if points is None and self._span == (0.0, 1.0):
            return u.reshape(*self.batch, u.shape[-1]), self.values
        if points is None:
            points = torch.arange(self.count)
        if self._gathered is None or not torch.equal(self._gathered[0], points):
            here = points.to(u.device)
            u_old = None if self._u is None else self._u[here]
            self._gathered = (
                points,
                part_values(self.residual, self.walk, self.values, self.batch, here, self._span, u_old),
            )
        return u, self._gathered[1]


def _rows(x: torch.Tensor, batch: torch.Size, ndim: int) -> torch.Tensor:
    """Values per point, of `ndim` axes behind the batch, with one axis of points."""
    point = x.shape[x.ndim - ndim :]
    return x.expand(*batch, *point).reshape(math.prod(batch), *point)


def part_values(
    residual: Residual,
    walk: Walk,
    values: Sequence[torch.Tensor],
    batch: torch.Size,
    points: torch.Tensor,
    span: tuple[float, float],
    u_old: torch.Tensor | None,
) -> list[torch.Tensor]:
    """Values of some points for a part of the step: forces between old and current ones, old states from `u_old`, the
    solution at the beginning of the part (points, n)."""
    begin, end = span
    rows = residual.rows(values, batch, points)
    if span == (0.0, 1.0):
        return rows
    result = list(rows)
    for current, old in walk.forces:
        change = rows[current] - rows[old]
        result[old] = rows[old] + begin * change
        result[current] = rows[old] + end * change
    if begin > 0.0 and u_old is not None:
        for position, unknown in walk.states:
            entry = residual.layout.entries[unknown]
            data = u_old[..., entry.offset : entry.offset + entry.size]
            result[position] = data.reshape((*data.shape[:-1], *entry.shape))
    return result


def solve(
    residual: Residual,
    settings: dict[str, Any],
    walk: Walk,
    guess: torch.Tensor,
    values: Sequence[torch.Tensor],
    label: str = "",
) -> Solution:
    """Solve r(u; values) = 0 from the guess (*batch of the guess, n).

    Raises ConvergenceError, which names the points that failed by their flat (row-major) number in the batch.
    """
    from .._neml2 import newton

    batch = residual.batch(guess, values)
    n = guess.shape[-1]
    rows = Rows(residual, values, batch, walk)
    start = guess.expand(*batch, n).reshape(-1, n)
    spoilt = spoilt_points(residual, start, values, batch)
    if spoilt is not None:
        rows.spoil(spoilt)
    u, outcome = newton(start, rows.linearize, rows.evaluate, settings, walk.level, rows.begin, rows.commit)
    if len(outcome["failed"]):
        raise convergence_error(outcome, label, Causes(residual, start, values, batch))
    if rows.count and not bool(outcome["iterations"].any()):
        return Solution(guess, batch, [])
    walked = walk.level > 0 and bool((outcome["substeps"] > 1).any())
    return Solution(u.reshape(*batch, n), batch, rows.parts if walked else [])


def convergence_error(outcome: dict[str, torch.Tensor], label: str, causes: Causes) -> ConvergenceError:
    points = [
        FailedPoint(
            index=point,
            iterations=int(outcome["iterations"][point]),
            residual=float(outcome["final_norm"][point]),
            reason=REASONS[int(outcome["status"][point]) - 1],
        )
        for point in outcome["failed"].tolist()
    ]
    for point in points[:3]:  # that many are shown
        if point.reason == REASONS[1]:
            point.cause = causes.of(point.index, point.iterations)
    text = describe(points, len(outcome["status"]))
    return ConvergenceError(f"{label}: {text}" if label else text, points)


__all__ = ["Part", "Rows", "Solution", "Walk", "convergence_error", "part_values", "row", "solve"]

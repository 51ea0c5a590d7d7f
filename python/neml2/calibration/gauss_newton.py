# SPDX-License-Identifier: MIT
"""Least squares with bounds and linear constraints: Gauss-Newton steps damped as by Levenberg and Marquardt, for many
starts side by side.

Each step solves the quadratic program of the linearized residual, min |r + J d|^2/2 + damping d'Dd/2 within the bounds
and linearized constraints. The damping follows the ratio of what a step gains to what was predicted (H. B. Nielsen,
Damping parameter in Marquardt's method, IMM-REP-1999-05); D is the largest diagonal of J'J so far (J. J. More, The
Levenberg-Marquardt algorithm, 1978). Constraints count in an exact penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .parameter import Coordinates
from .quadratic import QuadraticPrograms

Array = NDArray[Any]
Evaluate = Callable[[Array], tuple[Array, Array, Array]]
"""Values (S, P) -> residuals (S, M), their derivatives (S, M, P), and which rows could be evaluated."""

CONVERGED, STALLED, ITERATIONS, FAILED, INFEASIBLE = "converged", "stalled", "iterations", "failed", "infeasible"

_RETREATS = 4
_FIRST_DAMPING, _MOST_DAMPING = 1e-3, 1e12


@dataclass(frozen=True)
class Constraints:
    """low <= rows values <= high."""

    rows: Array
    low: Array
    high: Array

    def violation(self, values: Array) -> Array:
        """The sum of what is missing, (...)."""
        found = values @ self.rows.T
        return (np.maximum(found - self.high, 0) + np.maximum(self.low - found, 0)).sum(-1)

    def holding(self, values: Array) -> Array:
        """The rows whose limits are reached."""
        found, size = self.rows @ values, np.abs(self.rows) @ np.abs(values)
        near = np.minimum(np.abs(found - self.low), np.abs(found - self.high)) <= 1e-6 * size
        return self.rows[near]


@dataclass
class Outcome:
    """Where a start has come to: coordinates, half the sum of squares, iterations, and why it ended there."""

    z: Array
    cost: float
    iterations: int
    status: str


class _Start:
    """One of the starts."""

    def __init__(self, z: Array) -> None:
        self.z = z
        self.cost = self.penalty = 0.0
        self.damping, self.factor = _FIRST_DAMPING, 2.0
        self.iterations = 0
        self.status = ""
        self.step, self.predicted = np.zeros_like(z), 0.0
        self.H = self.g = self.diagonal = np.zeros(0)

    def take(self, z: Array, residual: Array, jacobian: Array) -> None:
        self.z, self.cost = z, 0.5 * float(residual @ residual)
        self.H, self.g = jacobian.T @ jacobian, jacobian.T @ residual
        diagonal = np.diagonal(self.H)
        self.diagonal = np.maximum(self.diagonal, diagonal) if self.diagonal.size else diagonal.copy()

    def refuse(self) -> None:
        self.damping *= self.factor
        self.factor *= 2
        if self.damping > _MOST_DAMPING:
            self.status = STALLED

    def outcome(self) -> Outcome:
        return Outcome(self.z, self.cost if self.status != FAILED else np.inf, self.iterations, self.status)


class GaussNewton:
    """`minimize` takes starts to minima, each by itself; residuals of all are evaluated at once.

    tolerance: a start has converged when its next step would lower the sum of squares by less than this part.
    """

    def __init__(
        self, evaluate: Evaluate, coordinates: Coordinates, constraints: Constraints, tolerance: float, max_its: int
    ) -> None:
        self._evaluate, self._coordinates, self._constraints = evaluate, coordinates, constraints
        self._tolerance, self._max_its = tolerance, max_its
        self._programs = QuadraticPrograms(len(coordinates.low), len(constraints.low))

    def minimize(self, z: Array, told: Callable[[int, float, int], None] = lambda *_: None) -> list[Outcome]:
        """From the rows of `z`. `told` hears after each iteration its number, the least sum of squares, halved, and how
        many starts go on."""
        starts = [_Start(row) for row in np.clip(z, self._coordinates.lower, self._coordinates.upper)]
        self._begin(starts)
        iteration = 0
        while going := [start for start in starts if not start.status]:
            iteration += 1
            for start in going:
                self._find_step(start)
            tried = [start for start in going if not start.status]
            for start, *found in self._evaluated(tried, [start.z + start.step for start in tried]):
                self._judge(start, *found)
            told(iteration, min(s.cost for s in starts if s.status != FAILED), sum(not s.status for s in starts))
        return [start.outcome() for start in starts]

    def _begin(self, starts: list[_Start]) -> None:
        """Evaluate all; those that cannot be are brought halfway to one that can, some times."""
        waiting = starts
        for _ in range(_RETREATS + 1):
            found = list(self._evaluated(waiting, [start.z for start in waiting]))
            for start, residual, jacobian, good in found:
                start.status = "" if good else FAILED
                if good:
                    start.take(start.z, residual, jacobian)
            waiting = [start for start in starts if start.status == FAILED]
            home = next((start for start in starts if not start.status), None)
            if home is None:
                return
            for start in waiting:
                start.z = 0.5 * (start.z + home.z)

    def _evaluated(self, starts: list[_Start], z: list[Array]) -> Any:
        if not starts:
            return
        at = np.stack(z)
        residuals, slopes, good = self._evaluate(self._coordinates.values(at))
        jacobians = slopes * self._coordinates.slopes(at)[:, None, :]
        yield from zip(starts, residuals, jacobians, good, strict=True)

    def _find_step(self, start: _Start) -> None:
        c, k = self._coordinates, self._constraints
        size = max(float(start.diagonal.max()), np.finfo(float).tiny)
        weights = start.damping * np.maximum(start.diagonal, 1e-10 * size)
        rows = k.rows * c.slopes(start.z)
        at = k.rows @ c.values(start.z)
        H = (start.H + np.diag(weights)) / size  # of order 1 for the solver's tolerances
        found = self._programs.solve(
            H, start.g / size, c.lower - start.z, c.upper - start.z, rows, k.low - at, k.high - at
        )
        if found is None:
            start.status = INFEASIBLE if len(k.low) else STALLED
            return
        step, multipliers = found
        start.step = np.clip(start.z + step, c.lower, c.upper) - start.z
        start.penalty = max(start.penalty, 2 * size * float(np.abs(multipliers).max(initial=0)))
        model = start.g @ start.step + 0.5 * start.step @ start.H @ start.step
        start.predicted = -float(model) + start.penalty * float(k.violation(c.values(start.z)))
        if start.predicted <= self._tolerance * start.cost * (start.damping < 1) or not start.step.any():
            start.status = CONVERGED

    def _judge(self, start: _Start, residual: Array, jacobian: Array, good: bool) -> None:
        """Take the step that was found, or make the next one shorter."""
        start.iterations += 1
        if good:
            new, values = start.z + start.step, self._coordinates.values
            broken = [float(self._constraints.violation(values(z))) for z in (start.z, new)]
            gain = start.cost - 0.5 * float(residual @ residual) + start.penalty * (broken[0] - broken[1])
            ratio = gain / start.predicted if start.predicted > 0 else 0.0
            if ratio > 1e-4:
                start.take(new, residual, jacobian)
                start.damping *= max(1 / 3, 1 - (2 * ratio - 1) ** 3)
                start.factor = 2.0
            else:
                start.refuse()
        else:
            start.refuse()
        if not start.status and start.iterations >= self._max_its:
            start.status = ITERATIONS

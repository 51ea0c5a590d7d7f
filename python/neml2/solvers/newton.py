# SPDX-License-Identifier: MIT
"""Newton's method: its options. Every material point converges, or fails, on its own."""

from __future__ import annotations

import math
from typing import Any

from ..hit import HitObject, Option, Reference, register
from .linear import DenseLU


@register("Newton")
class Newton(HitObject):
    """Newton's method with full steps.

    A material point has converged when |r| < abs_tol or |r|/|r0| < rel_tol, with the Euclidean norm over all
    residual components and r0 the residual at the initial guess. `max_its` allows `max_its - 1` updates.
    `substep_del_tol`: where a step is walked in parts, the relative test also asks for
    |du| < substep_del_tol (|u| + abs_tol).
    """

    SECTION = "Solvers"

    linear_solver: Any = Reference("Solvers", default=None)
    abs_tol: float = Option(float, 1e-10)
    rel_tol: float = Option(float, 1e-8)
    max_its: int = Option(int, 25)
    substep_del_tol: float = Option(float, 1e-6)

    def setup(self) -> None:
        if self.linear_solver is None:
            self.linear_solver = DenseLU()
        if not isinstance(self.linear_solver, DenseLU):
            kind = type(self.linear_solver).__name__
            raise self.error(f"a {kind} is no linear solver; expected a DenseLU", "linear_solver")
        for option in ("abs_tol", "rel_tol", "substep_del_tol"):
            value = getattr(self, option)
            if not (value >= 0 and math.isfinite(value)):
                raise self.error(f"{value} is no tolerance; expected a finite number, 0 or more", option)
        if self.max_its < 1:
            raise self.error(f"{self.max_its} is no number of iterations; expected 1 or more", "max_its")

    def settings(self) -> dict[str, Any]:
        """What the orchestrator in the C++ library takes."""
        return {"abs_tol": self.abs_tol, "rel_tol": self.rel_tol, "max_its": self.max_its}


@register("NewtonWithLineSearch")
class NewtonWithLineSearch(Newton):
    """Newton's method with a step length found for each material point on its own.

    A step alpha du, alpha = 1, 1/cutback, ..., is accepted when |r(u + alpha du)|^2 is at most abs_tol^2, or
    |r|^2 - 2 c alpha (-r . du) (BACKTRACKING), or (1 - c alpha) |r|^2 (STRONG_WOLFE). The last of
    `max_linesearch_iterations - 1` trials is kept, accepted or not. `check_negative_criterion` has no effect.
    """

    linesearch_type: str = Option(str, "BACKTRACKING", choices=("BACKTRACKING", "STRONG_WOLFE"))
    max_linesearch_iterations: int = Option(int, 10)
    linesearch_cutback: float = Option(float, 2.0)
    linesearch_stopping_criteria: float = Option(float, 1e-3)
    check_negative_criterion: int = Option(int, 0)

    def setup(self) -> None:
        super().setup()
        if not 1 < self.linesearch_cutback < math.inf:
            text = f"{self.linesearch_cutback} does not shorten a step; expected a finite number, more than 1"
            raise self.error(text, "linesearch_cutback")
        if not 0 <= self.linesearch_stopping_criteria < math.inf:
            text = f"{self.linesearch_stopping_criteria} is no criterion; expected a finite number, 0 or more"
            raise self.error(text, "linesearch_stopping_criteria")
        if self.max_linesearch_iterations < 0:
            text = f"{self.max_linesearch_iterations} is no number of trials; expected 0 or more"
            raise self.error(text, "max_linesearch_iterations")
        if self.check_negative_criterion not in (0, 1):
            raise self.error(f"expected 0 or 1, got {self.check_negative_criterion}", "check_negative_criterion")

    def settings(self) -> dict[str, Any]:
        return {
            **super().settings(),
            "linesearch_type": self.linesearch_type,
            "max_linesearch_iterations": self.max_linesearch_iterations,
            "linesearch_cutback": self.linesearch_cutback,
            "linesearch_stopping_criteria": self.linesearch_stopping_criteria,
        }

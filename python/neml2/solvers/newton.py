# SPDX-License-Identifier: MIT
"""Newton's method: its options. Every material point converges, or fails, on its own."""

from __future__ import annotations

from typing import Any

from ..hit import HitObject, Option, Reference, register
from .linear import DenseLU, LinearSolver


@register("Newton")
class Newton(HitObject):
    """Newton's method with full steps.

    A material point has converged when |r| < abs_tol or |r|/|r0| < rel_tol, with the Euclidean norm over all
    residual components and r0 the residual at the initial guess. `max_its` allows `max_its - 1` updates.
    `substep_del_tol`: where a step is walked in parts, the relative test also asks for
    |du| < substep_del_tol (|u| + abs_tol).
    """

    SECTION = "Solvers"
    KIND = "Newton"
    """Its type to the C++ library."""

    linear_solver: Any = Reference("Solvers", default=None)
    abs_tol: float = Option(float, 1e-10)
    rel_tol: float = Option(float, 1e-8)
    max_its: int = Option(int, 25)
    substep_del_tol: float = Option(float, 1e-6)

    def setup(self) -> None:
        if self.linear_solver is None:
            self.linear_solver = DenseLU()
        if not isinstance(self.linear_solver, LinearSolver):
            kind = type(self.linear_solver).__name__
            raise self.error(f"a {kind} is no linear solver; expected a DenseLU", "linear_solver")
        self._check_values()

    def _check_values(self) -> None:
        from .._neml2 import solver_option_refusal

        for option, value in self._values().items():
            if (expected := solver_option_refusal(self.KIND, option, value)) is not None:
                raise self.error(f"is {value}; expected {expected}", option)

    def _values(self) -> dict[str, Any]:
        return {option: getattr(self, option) for option in self.option_names() if option != "linear_solver"}

    def settings(self) -> dict[str, Any]:
        """What the C++ library takes, which knows what each option may be: `type`, and all values by their names."""
        return {"type": self.KIND, **self._values()}


@register("NewtonWithLineSearch")
class NewtonWithLineSearch(Newton):
    """Newton's method with a step length found for each material point on its own.

    A step alpha du, alpha = 1, 1/cutback, ..., is accepted when |r(u + alpha du)|^2 is at most abs_tol^2, or
    |r|^2 - 2 c alpha (-r . du) (BACKTRACKING), or (1 - c alpha) |r|^2 (STRONG_WOLFE). The last of
    `max_linesearch_iterations - 1` trials is kept, accepted or not. `check_negative_criterion` has no effect.
    """

    KIND = "NewtonWithLineSearch"

    linesearch_type: str = Option(str, "BACKTRACKING", choices=("BACKTRACKING", "STRONG_WOLFE"))
    max_linesearch_iterations: int = Option(int, 10)
    linesearch_cutback: float = Option(float, 2.0)
    linesearch_stopping_criteria: float = Option(float, 1e-3)
    check_negative_criterion: int = Option(int, 0)

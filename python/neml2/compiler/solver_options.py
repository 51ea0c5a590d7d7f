# SPDX-License-Identifier: MIT
"""The settings of a nonlinear solver, as the runtime reads them."""

from __future__ import annotations

from typing import Any

NEWTON = ("abs_tol", "rel_tol", "max_its", "substep_del_tol")
LINE_SEARCH = (
    "linesearch_type",
    "max_linesearch_iterations",
    "linesearch_cutback",
    "linesearch_stopping_criteria",
)


def options_of(update: Any) -> dict[str, Any]:
    """Options of the solver of an implicit update by the names they have in input files, with its type and block."""
    solver = update.solver
    kind = type(solver).__name__
    names = NEWTON + (LINE_SEARCH if kind == "NewtonWithLineSearch" else ())
    return {"type": kind, "block": solver.name, **{name: getattr(solver, name) for name in names}}

# SPDX-License-Identifier: MIT
"""The settings of a nonlinear solver, as the runtime reads them."""

from __future__ import annotations

from typing import Any


def options_of(update: Any) -> dict[str, Any]:
    """Options of the solver of an implicit update by the names they have in input files, with its type and block."""
    return {**update.solver.settings(), "block": update.solver.name}

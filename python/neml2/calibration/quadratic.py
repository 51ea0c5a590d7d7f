# SPDX-License-Identifier: MIT
"""Quadratic programs of a few unknowns, by PIQP.

R. Schwan, Y. Jiang, D. Kuhn, C. N. Jones, PIQP: a proximal interior-point quadratic programming solver, CDC 2023.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ADVICE = "the steps are found by PIQP: pip install 'neml2[calibration]' (or piqp); method = 'scipy' does without"


class MissingPIQP(ImportError):
    """The Python package of PIQP is not there, or too old."""


@cache
def _piqp() -> Any:
    try:
        import piqp
    except ImportError:
        raise MissingPIQP(ADVICE) from None
    if not hasattr(piqp.DenseSolver().result, "z_bl"):
        version = getattr(piqp, "__version__", "")
        raise MissingPIQP(f"PIQP {version} is older than 0.6: pip install --upgrade piqp")
    return piqp


class QuadraticPrograms:
    """min x'Hx/2 + g'x with lower <= x <= upper and rows_low <= rows x <= rows_high, one after the other, of one size.

    The solver's memory is that of the first, used again.
    """

    def __init__(self, unknowns: int, rows: int = 0) -> None:
        self._piqp = _piqp()
        self._solver = self._piqp.DenseSolver()
        self._solver.settings.eps_abs = self._solver.settings.eps_rel = 1e-10
        self._solver.settings.eps_duality_gap_abs = self._solver.settings.eps_duality_gap_rel = 1e-10
        self._rows, self._ready = rows, False

    def solve(
        self, H: Array, g: Array, lower: Array, upper: Array, rows: Array, low: Array, high: Array
    ) -> tuple[Array, Array] | None:
        """The solution, and multipliers of the rows; None where there is none to be found."""
        given: dict[str, Any] = {"P": np.asfortranarray(H), "c": g, "x_l": lower, "x_u": upper}
        if self._rows:
            given |= {"G": np.asfortranarray(rows), "h_l": low, "h_u": high}
        if self._ready:
            self._solver.update(**given)
        else:
            self._solver.setup(**given)
            self._ready = True
        status = self._solver.solve()
        result = self._solver.result
        if status not in (self._piqp.PIQP_SOLVED, self._piqp.PIQP_MAX_ITER_REACHED):
            return None
        if not np.isfinite(result.x).all():
            return None
        return np.array(result.x), np.array(result.z_u - result.z_l) if self._rows else np.zeros(0)

# SPDX-License-Identifier: MIT
"""Linear solvers."""

from __future__ import annotations

from ..hit import HitObject, register


@register("DenseLU")
class DenseLU(HitObject):
    """LU factorisation with partial pivoting, one small dense system per material point.

    For equation systems with a single group of unknowns.
    """

    SECTION = "Solvers"

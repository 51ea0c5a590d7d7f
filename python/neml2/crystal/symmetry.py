# SPDX-License-Identifier: MIT
"""The rotations that carry a crystal into itself, for the eleven Laue classes."""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin, sqrt

import torch

from ..types import Quaternion

LAUE_CLASSES = ("-1", "2/m", "mmm", "-3", "-3m", "4/m", "4/mmm", "6/m", "6/mmm", "m-3", "m-3m")
"""In Hermann-Mauguin notation. The axis of highest order is z; for 2/m it is the two-fold axis; two-fold axes of mmm,
-3m, 4/mmm and 6/mmm include x."""

_PRINCIPAL = {"-1": 1, "2/m": 2, "mmm": 2, "-3": 3, "-3m": 3, "4/m": 4, "4/mmm": 4, "6/m": 6, "6/mmm": 6}
_WITH_TWO_FOLD_X = ("mmm", "-3m", "4/mmm", "6/mmm")

Rows = list[tuple[float, ...]]


def symmetry_operators(laue: str) -> Quaternion:
    """Proper rotations of a Laue class as unit quaternions (n, 4), float64, the identity first.

    Raises ValueError for an unknown class.
    """
    if laue not in LAUE_CLASSES:
        raise ValueError(f"'{laue}' is no Laue class; these are: {', '.join(LAUE_CLASSES)}")
    return Quaternion(_operators(laue).clone())


@cache
def _operators(laue: str) -> torch.Tensor:
    if laue == "m-3m":
        return torch.tensor(_tetrahedral() + _octahedral_rest(), dtype=torch.float64)
    if laue == "m-3":
        return torch.tensor(_tetrahedral(), dtype=torch.float64)
    order = _PRINCIPAL[laue]
    rows: Rows = [(cos(pi * k / order), 0.0, 0.0, sin(pi * k / order)) for k in range(order)]
    if laue in _WITH_TWO_FOLD_X:  # half turns about axes pi/order apart, x the first of them
        rows += [(0.0, cos(pi * k / order), sin(pi * k / order), 0.0) for k in range(order)]
    return torch.tensor(rows, dtype=torch.float64)


def _tetrahedral() -> Rows:
    """The group 23: third turns about <111>, half turns about <100>."""
    h = 0.5
    return [
        (1, 0, 0, 0), (h, h, h, h), (-h, h, h, h), (h, -h, h, h), (h, h, -h, h),
        (-h, -h, -h, h), (h, -h, -h, h), (-h, -h, h, h), (-h, h, -h, h),
        (0, 0, 1, 0), (0, 0, 0, 1), (0, 1, 0, 0),
    ]  # fmt: skip


def _octahedral_rest() -> Rows:
    """What 432 has beyond 23: quarter turns about <100>, half turns about <110>."""
    c = sqrt(0.5)
    return [
        (0, -c, 0, c), (0, c, 0, c), (c, 0, c, 0), (c, 0, -c, 0), (0, 0, -c, c), (c, c, 0, 0),
        (c, -c, 0, 0), (0, 0, c, c), (0, -c, c, 0), (c, 0, 0, -c), (0, c, c, 0), (c, 0, 0, c),
    ]  # fmt: skip

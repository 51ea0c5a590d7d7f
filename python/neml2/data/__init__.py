# SPDX-License-Identifier: MIT
"""What several models share: the types of [Data]."""

from __future__ import annotations

from .crystals import BodyCentredCrystal, CrystalGeometry, CubicCrystal, HexagonalCrystal

__all__ = ["BodyCentredCrystal", "CrystalGeometry", "CubicCrystal", "HexagonalCrystal"]

# SPDX-License-Identifier: MIT
"""Determinants."""

from __future__ import annotations

from typing import Any

from ...types import R2, SR2, Scalar, det
from ..base import Model
from ..declarations import Input, Output, T
from ..registry import register_family


@register_family("{T}Determinant", (R2, SR2))
class Determinant(Model):
    """Determinant of the 3x3 tensor, determinant = det(input)."""

    input = Input(T)
    determinant = Output(Scalar)

    def forward(self, a: Any) -> Scalar:
        return det(a)

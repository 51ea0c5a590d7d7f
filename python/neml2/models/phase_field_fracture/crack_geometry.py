# SPDX-License-Identifier: MIT
"""Crack geometric functions of the phase d, which is 0 in the intact and 1 in the broken material.

L. Ambrosio and V. M. Tortorelli, Approximation of functionals depending on jumps by elliptic functionals via
Gamma-convergence, Communications on Pure and Applied Mathematics 43 (1990).
"""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..declarations import Input, Output
from ..registry import register


@register("CrackGeometricFunctionAT1")
class CrackGeometricFunctionAT1(Model):
    """Linear crack geometric function, alpha = d."""

    phase = Input(Scalar)
    crack = Output(Scalar)

    def forward(self, d: Scalar) -> Scalar:
        return d


@register("CrackGeometricFunctionAT2")
class CrackGeometricFunctionAT2(Model):
    """Quadratic crack geometric function, alpha = d^2."""

    phase = Input(Scalar)
    crack = Output(Scalar)

    def forward(self, d: Scalar) -> Scalar:
        return d * d

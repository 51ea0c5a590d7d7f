# SPDX-License-Identifier: MIT
"""Complementarity conditions: a and b have their signs, and one of them is zero."""

from __future__ import annotations

from ...types import Scalar, lt, sqrt, where
from ..base import Model
from ..declarations import Input, Option, Output
from ..registry import register
from ..tolerance import eps

SIGNS = {"LE": -1.0, "GE": 1.0}


class Complementarity(Model):
    """A function of s_a a and s_b b that is zero where both are at least zero and one is; s = -1 for the
    inequality LE, +1 for GE."""

    a = Input(Scalar)
    b = Input(Scalar)
    complementarity = Output(Scalar)
    a_inequality: str = Option(str, "LE", choices=tuple(SIGNS))
    b_inequality: str = Option(str, "GE", choices=tuple(SIGNS))

    def _signed(self, a: Scalar, b: Scalar) -> tuple[Scalar, Scalar]:
        return SIGNS[self.a_inequality] * a, SIGNS[self.b_inequality] * b


@register("FBComplementarity")
class FBComplementarity(Complementarity):
    """Fischer-Burmeister function, s_a a + s_b b - sqrt(a^2 + b^2 + eps), with s = -1 for LE, +1 for GE.

    A. Fischer, A special Newton-type optimization method, Optimization 24 (1992).
    """

    def forward(self, a: Scalar, b: Scalar) -> Scalar:
        x, y = self._signed(a, b)
        return x + y - sqrt(a * a + b * b + eps(a))


@register("MinMapComplementarity")
class MinMapComplementarity(Complementarity):
    """Min map, min(s_a a, s_b b), with s = -1 for LE, +1 for GE; on a tie the derivative is that of b."""

    def forward(self, a: Scalar, b: Scalar) -> Scalar:
        x, y = self._signed(a, b)
        return where(lt(x, y), x, y)

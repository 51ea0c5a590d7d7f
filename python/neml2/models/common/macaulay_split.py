# SPDX-License-Identifier: MIT
"""Positive and negative parts."""

from __future__ import annotations

from ...types import Scalar, macaulay
from ..base import Model
from ..declarations import Input, Output
from ..registry import register


@register("MacaulaySplit")
class MacaulaySplit(Model):
    """to_positive = <x> = x (sign x + 1)/2, to_negative = x - <x>; both derivatives are 1/2 at zero."""

    from_ = Input(Scalar)
    to_positive = Output(Scalar)
    to_negative = Output(Scalar)

    def forward(self, x: Scalar) -> tuple[Scalar, Scalar]:
        positive = macaulay(x)
        return positive, x - positive

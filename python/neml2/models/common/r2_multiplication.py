# SPDX-License-Identifier: MIT
"""Matrix products."""

from __future__ import annotations

from ...types import R2, inv
from ..base import Model
from ..declarations import Input, Option, Output
from ..registry import register


@register("R2Multiplication")
class R2Multiplication(Model):
    """Matrix product, to = op(A) op(B), where op inverts its operand, transposes it, or both."""

    A = Input(R2)
    B = Input(R2)
    to = Output(R2)
    invert_A: bool = Option(bool, False)  # noqa: N815
    invert_B: bool = Option(bool, False)  # noqa: N815
    transpose_A: bool = Option(bool, False)  # noqa: N815
    transpose_B: bool = Option(bool, False)  # noqa: N815

    def forward(self, A: R2, B: R2) -> R2:
        return _operand(A, self.invert_A, self.transpose_A) @ _operand(B, self.invert_B, self.transpose_B)


def _operand(a: R2, invert: bool, transpose: bool) -> R2:
    a = inv(a) if invert else a
    return a.base.transpose(-2, -1) if transpose else a

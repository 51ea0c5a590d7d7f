# SPDX-License-Identifier: MIT
"""Quantities that only grow."""

from __future__ import annotations

from ...types import Scalar, gt, where
from ..base import Model
from ..declarations import Input, Output
from ..registry import register


@register("IrreversibleScalar")
class IrreversibleScalar(Model):
    """Running maximum, to = from where from > to~1, else to~1."""

    from_ = Input(Scalar)
    to = Output(Scalar)
    old = Input(Scalar, derived="{to}~1")

    def forward(self, x: Scalar, old: Scalar) -> Scalar:
        return where(gt(x, old), x, old)

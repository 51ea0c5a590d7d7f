# SPDX-License-Identifier: MIT
"""Scalar invariants of a symmetric tensor."""

from __future__ import annotations

from ...types import SR2, Scalar, dev, inner, sqrt, tr
from ..base import Model
from ..declarations import Input, Option, Output
from ..registry import register
from ..tolerance import eps

FACTORS = {"VONMISES": 3.0 / 2.0, "EFFECTIVE_STRAIN": 2.0 / 3.0}


@register("SR2Invariant")
class SR2Invariant(Model):
    """Scalar invariant of a symmetric tensor with deviator S. VONMISES: sqrt(3/2 S:S + eps); EFFECTIVE_STRAIN:
    sqrt(2/3 S:S + eps); I1: the trace."""

    tensor = Input(SR2)
    invariant = Output(Scalar)
    invariant_type: str = Option(str, choices=("VONMISES", "EFFECTIVE_STRAIN", "I1", "I2", "INVALID"))

    def setup(self) -> None:
        if self.invariant_type in ("I2", "INVALID"):
            text = f"the invariant {self.invariant_type} is not available; these are: VONMISES, EFFECTIVE_STRAIN, I1"
            raise NotImplementedError(f"{self.where('invariant_type')}: {text}")

    def forward(self, tensor: SR2) -> Scalar:
        if self.invariant_type == "I1":
            return tr(tensor)
        deviator = dev(tensor)
        return sqrt(FACTORS[self.invariant_type] * inner(deviator, deviator) + eps(tensor))

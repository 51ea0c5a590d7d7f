# SPDX-License-Identifier: MIT
"""Isotropic hardening by a small network, trained within the flow rule.

neml2-calibrate --load network.py network.i --plot network.png
"""

from __future__ import annotations

from neml2.models import Input, Model, Output, Parameters, register
from neml2.types import Scalar, tanh


@register("NetworkHardening")
class NetworkHardening(Model):
    """One hidden layer, k(e) = sum_j w_j tanh(b_j e): nothing at e = 0."""

    equivalent_plastic_strain = Input(Scalar)
    isotropic_hardening = Output(Scalar)
    weights = Parameters(Scalar, name="w")
    slopes = Parameters(Scalar, name="b")

    def setup(self) -> None:
        hidden, slopes = (len(slots) for _, slots in self._parameter_slots)
        if hidden != slopes:
            raise self.error(f"{hidden} weights and {slopes} slopes; expected as many", "slopes")

    def forward(self, e: Scalar, weights: tuple[Scalar, ...], slopes: tuple[Scalar, ...]) -> Scalar:
        total = weights[0] * tanh(slopes[0] * e)
        for w, b in zip(weights[1:], slopes[1:], strict=True):
            total = total + w * tanh(b * e)
        return total

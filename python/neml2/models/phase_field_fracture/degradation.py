# SPDX-License-Identifier: MIT
"""Degradation of the stiffness with the phase d, from 1 at d = 0 to the residual eta at d = 1."""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..declarations import Input, Option, Output, Parameter
from ..registry import register


class Degradation(Model):
    """What the functions share."""

    phase = Input(Scalar)
    degradation = Output(Scalar)
    power = Parameter(Scalar, name="p")
    eta: float = Option(float, 0.0)


@register("PowerDegradationFunction")
class PowerDegradationFunction(Degradation):
    """g = (1 - d)^p (1 - eta) + eta."""

    def forward(self, d: Scalar, p: Scalar) -> Scalar:
        return (1 - d) ** p * (1 - self.eta) + self.eta


@register("RationalDegradationFunction")
class RationalDegradationFunction(Degradation):
    """g = f / (f + Q) (1 - eta) + eta, with f = (1 - d)^p and Q = b1 d (1 + b2 d + b2 b3 d^2).

    E. Lorentz, A nonlocal damage model for plain concrete consistent with cohesive fracture, International Journal of
    Fracture 207 (2017).
    """

    b1 = Parameter(Scalar)
    b2 = Parameter(Scalar)
    b3 = Parameter(Scalar)

    def forward(self, d: Scalar, p: Scalar, b1: Scalar, b2: Scalar, b3: Scalar) -> Scalar:
        f = (1 - d) ** p
        Q = b1 * d * (1 + b2 * d + b2 * b3 * d * d)
        return f / (f + Q) * (1 - self.eta) + self.eta

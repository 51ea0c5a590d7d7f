# SPDX-License-Identifier: MIT
"""Kinematic hardening: back stresses and their rates."""

from __future__ import annotations

from ...types import SR2, Scalar, norm
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register
from ..tolerance import eps


@register("LinearKinematicHardening")
class LinearKinematicHardening(Model):
    """Prager's linear back stress of the kinematic plastic strain, X = H Kp."""

    kinematic_plastic_strain = Input(SR2)
    back_stress = Output(SR2)
    hardening_modulus = Parameter(Scalar, name="H", promotable=True)

    def forward(self, plastic_strain: SR2, H: Scalar) -> SR2:
        return H * plastic_strain


@register("FredrickArmstrongPlasticHardening")
class FredrickArmstrongPlasticHardening(Model):
    """Back stress with dynamic recovery, X_rate = (2/3 C N - g X) gamma_rate.

    P. J. Armstrong and C. O. Frederick, A mathematical representation of the multiaxial Bauschinger effect,
    CEGB report RD/B/N731 (1966).
    """

    flow_rate = Input(Scalar)
    flow_direction = Input(SR2)
    back_stress = Input(SR2)
    back_stress_rate = Output(SR2, derived="{back_stress}_rate", rename="back_stress_rate")
    C = Parameter(Scalar, promotable=True)
    g = Parameter(Scalar, promotable=True)

    def forward(self, flow_rate: Scalar, N: SR2, X: SR2, C: Scalar, g: Scalar) -> SR2:
        return flow_rate * ((2.0 / 3.0) * C * N - g * X)


@register("ChabochePlasticHardening")
class ChabochePlasticHardening(Model):
    """Back stress with dynamic and static recovery, X_rate = (2/3 C N - g X) gamma_rate - A s^(a-1) X, with
    s = sqrt(X:X + eps).

    J.-L. Chaboche, Constitutive equations for cyclic plasticity and cyclic viscoplasticity, Int. J. Plasticity
    5 (1989).
    """

    flow_rate = Input(Scalar)
    flow_direction = Input(SR2)
    back_stress = Input(SR2)
    back_stress_rate = Output(SR2, derived="{back_stress}_rate", rename="back_stress_rate")
    C = Parameter(Scalar, promotable=True)
    g = Parameter(Scalar, promotable=True)
    A = Parameter(Scalar, promotable=True)
    a = Parameter(Scalar, promotable=True)

    def forward(self, flow_rate: Scalar, N: SR2, X: SR2, C: Scalar, g: Scalar, A: Scalar, a: Scalar) -> SR2:
        recovery = A * norm(X, eps(X)) ** (a - 1)
        return flow_rate * ((2.0 / 3.0) * C * N - g * X) - recovery * X

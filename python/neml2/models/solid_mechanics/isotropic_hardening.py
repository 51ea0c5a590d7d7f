# SPDX-License-Identifier: MIT
"""Isotropic hardening as a function of the equivalent plastic strain."""

from __future__ import annotations

from ...types import Scalar, exp, sign
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("LinearIsotropicHardening")
class LinearIsotropicHardening(Model):
    """Linear isotropic hardening by the equivalent plastic strain, h = K ep."""

    equivalent_plastic_strain = Input(Scalar)
    isotropic_hardening = Output(Scalar)
    hardening_modulus = Parameter(Scalar, name="K", promotable=True)

    def forward(self, ep: Scalar, K: Scalar) -> Scalar:
        return K * ep


@register("VoceIsotropicHardening")
class VoceIsotropicHardening(Model):
    """Voce hardening, h = R (1 - exp(-d ep)).

    E. Voce, A practical strain-hardening function, Metallurgia 51 (1955).
    """

    equivalent_plastic_strain = Input(Scalar)
    isotropic_hardening = Output(Scalar)
    saturated_hardening = Parameter(Scalar, name="R", promotable=True)
    saturation_rate = Parameter(Scalar, name="d", promotable=True)

    def forward(self, ep: Scalar, R: Scalar, d: Scalar) -> Scalar:
        return R * (1 - exp(-d * ep))


@register("SlopeSaturationVoceIsotropicHardening")
class SlopeSaturationVoceIsotropicHardening(Model):
    """Voce hardening as a rate with the initial slope theta0, h_rate = sign(R) theta0 (1 - h/R) gamma_rate."""

    flow_rate = Input(Scalar)
    isotropic_hardening = Input(Scalar)
    isotropic_hardening_rate = Output(Scalar, derived="{isotropic_hardening}_rate", rename="isotropic_hardening_rate")
    saturated_hardening = Parameter(Scalar, name="R", promotable=True)
    initial_hardening_rate = Parameter(Scalar, name="theta0", promotable=True)

    def forward(self, flow_rate: Scalar, h: Scalar, R: Scalar, theta0: Scalar) -> Scalar:
        return sign(R) * theta0 * (1 - h / R) * flow_rate

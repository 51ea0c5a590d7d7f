# SPDX-License-Identifier: MIT
"""Isotropic hardening as a function of the equivalent plastic strain."""

from __future__ import annotations

from ...types import Scalar, exp
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("LinearIsotropicHardening")
class LinearIsotropicHardening(Model):
    """h = K ep."""

    equivalent_plastic_strain = Input(Scalar)
    isotropic_hardening = Output(Scalar)
    hardening_modulus = Parameter(Scalar, name="K", promotable=True)

    def forward(self, ep: Scalar, K: Scalar) -> Scalar:
        return K * ep


@register("VoceIsotropicHardening")
class VoceIsotropicHardening(Model):
    """Voce hardening, h = R (1 - exp(-d ep))."""

    equivalent_plastic_strain = Input(Scalar)
    isotropic_hardening = Output(Scalar)
    saturated_hardening = Parameter(Scalar, name="R", promotable=True)
    saturation_rate = Parameter(Scalar, name="d", promotable=True)

    def forward(self, ep: Scalar, R: Scalar, d: Scalar) -> Scalar:
        return R * (1 - exp(-d * ep))

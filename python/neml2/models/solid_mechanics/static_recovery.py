# SPDX-License-Identifier: MIT
"""Static recovery of hardening by power laws."""

from __future__ import annotations

from ...types import SR2, Scalar, abs, norm
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register
from ..tolerance import eps


@register("PowerLawIsotropicHardeningStaticRecovery")
class PowerLawIsotropicHardeningStaticRecovery(Model):
    """h_rate = -(|h| / tau)^(n - 1) h / tau."""

    isotropic_hardening = Input(Scalar)
    isotropic_hardening_rate = Output(Scalar, derived="{isotropic_hardening}_rate", rename="isotropic_hardening_rate")
    tau = Parameter(Scalar, promotable=True)
    n = Parameter(Scalar, promotable=True)

    def forward(self, h: Scalar, tau: Scalar, n: Scalar) -> Scalar:
        return -((abs(h) / tau) ** (n - 1)) * h / tau


@register("PowerLawKinematicHardeningStaticRecovery")
class PowerLawKinematicHardeningStaticRecovery(Model):
    """X_rate = -(s / tau)^(n - 1) X / tau, with s = sqrt(X:X + eps)."""

    back_stress = Input(SR2)
    back_stress_rate = Output(SR2, derived="{back_stress}_rate", rename="back_stress_rate")
    tau = Parameter(Scalar, promotable=True)
    n = Parameter(Scalar, promotable=True)

    def forward(self, X: SR2, tau: Scalar, n: Scalar) -> SR2:
        return -((norm(X, eps(X)) / tau) ** (n - 1) / tau) * X

# SPDX-License-Identifier: MIT
"""Rates of plastic internal variables by the associative flow rule."""

from __future__ import annotations

from ...types import SR2, Scalar
from ..base import Model
from ..declarations import Input, Output
from ..registry import register


@register("AssociativePlasticFlow")
class AssociativePlasticFlow(Model):
    """Ep_rate = gamma_rate df/dM."""

    flow_rate = Input(Scalar)
    flow_direction = Input(SR2)
    plastic_strain_rate = Output(SR2)

    def forward(self, flow_rate: Scalar, direction: SR2) -> SR2:
        return flow_rate * direction


@register("AssociativeIsotropicPlasticHardening")
class AssociativeIsotropicPlasticHardening(Model):
    """ep_rate = -gamma_rate df/dh."""

    flow_rate = Input(Scalar)
    isotropic_hardening_direction = Input(Scalar)
    equivalent_plastic_strain_rate = Output(Scalar)

    def forward(self, flow_rate: Scalar, direction: Scalar) -> Scalar:
        return -(flow_rate * direction)


@register("AssociativeKinematicPlasticHardening")
class AssociativeKinematicPlasticHardening(Model):
    """Kp_rate = -gamma_rate df/dX."""

    flow_rate = Input(Scalar)
    kinematic_hardening_direction = Input(SR2)
    kinematic_plastic_strain_rate = Output(SR2)

    def forward(self, flow_rate: Scalar, direction: SR2) -> SR2:
        return -(flow_rate * direction)

# SPDX-License-Identifier: MIT
"""Rates of plastic internal variables by the associative flow rule."""

from __future__ import annotations

import math

from ...types import SR2, Scalar, dev, norm
from ..base import Model
from ..declarations import Input, Output
from ..registry import register
from ..tolerance import eps


@register("AssociativePlasticFlow")
class AssociativePlasticFlow(Model):
    """Rate of the plastic strain, normal to the yield surface, Ep_rate = gamma_rate df/dM."""

    flow_rate = Input(Scalar)
    flow_direction = Input(SR2)
    plastic_strain_rate = Output(SR2)

    def forward(self, flow_rate: Scalar, direction: SR2) -> SR2:
        return flow_rate * direction


@register("AssociativeIsotropicPlasticHardening")
class AssociativeIsotropicPlasticHardening(Model):
    """Rate of the strain conjugate to isotropic hardening, ep_rate = -gamma_rate df/dh."""

    flow_rate = Input(Scalar)
    isotropic_hardening_direction = Input(Scalar)
    equivalent_plastic_strain_rate = Output(Scalar)

    def forward(self, flow_rate: Scalar, direction: Scalar) -> Scalar:
        return -(flow_rate * direction)


@register("AssociativeKinematicPlasticHardening")
class AssociativeKinematicPlasticHardening(Model):
    """Rate of the strain conjugate to the back stress, Kp_rate = -gamma_rate df/dX."""

    flow_rate = Input(Scalar)
    kinematic_hardening_direction = Input(SR2)
    kinematic_plastic_strain_rate = Output(SR2)

    def forward(self, flow_rate: Scalar, direction: SR2) -> SR2:
        return -(flow_rate * direction)


@register("AssociativeJ2FlowDirection")
class AssociativeJ2FlowDirection(Model):
    """Gradient of the von Mises stress, N = 3/2 S / vm, with S = dev(M) and vm = sqrt(3/2) sqrt(S:S + eps)."""

    mandel_stress = Input(SR2)
    flow_direction = Output(SR2)

    def forward(self, M: SR2) -> SR2:
        S = dev(M)
        return math.sqrt(1.5) * S / norm(S, eps(S))

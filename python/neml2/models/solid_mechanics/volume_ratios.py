# SPDX-License-Identifier: MIT
"""Volume ratios of finite eigendeformations, and their removal from a deformation gradient."""

from __future__ import annotations

from ...types import R2, Scalar
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("ThermalDeformationJacobian")
class ThermalDeformationJacobian(Model):
    """J = 1 + alpha (T - T0), alpha the volumetric coefficient of thermal expansion."""

    temperature = Input(Scalar)
    jacobian = Output(Scalar)
    reference_temperature = Parameter(Scalar, name="T0")
    CTE = Parameter(Scalar, name="alpha", promotable=True)

    def forward(self, temperature: Scalar, T0: Scalar, alpha: Scalar) -> Scalar:
        return 1 + alpha * (temperature - T0)


@register("SwellingAndPhaseChangeDeformationJacobian")
class SwellingAndPhaseChangeDeformationJacobian(Model):
    """J = 1 + alpha c phi + (1 - c) phi dOmega, for a fluid fraction phi of which the share c swells and the
    rest changes phase."""

    fluid_fraction = Input(Scalar)
    jacobian = Output(Scalar)
    phase_fraction = Parameter(Scalar, name="c", promotable=True)
    swelling_coefficient = Parameter(Scalar, name="alpha")
    reference_volume_difference = Parameter(Scalar, name="dOmega")

    def forward(self, phi: Scalar, c: Scalar, alpha: Scalar, dOmega: Scalar) -> Scalar:
        return 1 + alpha * c * phi + (1 - c) * phi * dOmega


@register("VolumeAdjustDeformationGradient")
class VolumeAdjustDeformationGradient(Model):
    """Deformation gradient without the volume ratio J, output = J^(-1/3) F."""

    input = Input(R2)
    jacobian = Input(Scalar)
    output = Output(R2)

    def forward(self, F: R2, J: Scalar) -> R2:
        return J ** (-1.0 / 3.0) * F

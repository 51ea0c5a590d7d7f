# SPDX-License-Identifier: MIT
"""Isotropic eigenstrains."""

from __future__ import annotations

from ...types import SR2, Scalar
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("ThermalEigenstrain")
class ThermalEigenstrain(Model):
    """Thermal expansion, alpha (T - T0) I, alpha the linear coefficient."""

    temperature = Input(Scalar)
    eigenstrain = Output(SR2)
    reference_temperature = Parameter(Scalar, name="T0")
    CTE = Parameter(Scalar, name="alpha", promotable=True)

    def forward(self, temperature: Scalar, T0: Scalar, alpha: Scalar) -> SR2:
        return SR2.fill(alpha * (temperature - T0))


@register("VolumeChangeEigenstrain")
class VolumeChangeEigenstrain(Model):
    """Change of volume from V0 to V, ((V/V0)^(1/3) - 1) I."""

    volume = Input(Scalar)
    eigenstrain = Output(SR2)
    reference_volume = Parameter(Scalar, name="V0")

    def forward(self, volume: Scalar, V0: Scalar) -> SR2:
        return SR2.fill((volume / V0) ** (1.0 / 3.0) - 1)


@register("PhaseTransformationEigenstrain")
class PhaseTransformationEigenstrain(Model):
    """Change of phase, f dv I, for a fraction f that is transformed and the change dv of its volume fraction
    (not divided by three)."""

    phase_fraction = Input(Scalar)
    volume_fraction_change = Input(Scalar)
    eigenstrain = Output(SR2)

    def forward(self, fraction: Scalar, change: Scalar) -> SR2:
        return SR2.fill(fraction * change)

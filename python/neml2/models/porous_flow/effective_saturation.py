# SPDX-License-Identifier: MIT
"""Normalised saturation."""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("EffectiveSaturation")
class EffectiveSaturation(Model):
    """Saturation above the residual one Sr, S = (phi / phi_max - Sr) / (1 - Sr), phi the volume fraction of the
    fluid."""

    fluid_fraction = Input(Scalar)
    effective_saturation = Output(Scalar)
    residual_saturation = Parameter(Scalar, name="Sr")
    max_fraction = Parameter(Scalar, name="phi_max", promotable=True)

    def forward(self, phi: Scalar, Sr: Scalar, phi_max: Scalar) -> Scalar:
        return (phi / phi_max - Sr) / (1 - Sr)

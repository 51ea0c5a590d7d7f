# SPDX-License-Identifier: MIT
"""Strain of a finite deformation."""

from __future__ import annotations

from ...types import R2, SR2, sym
from ..base import Model
from ..declarations import Input, Output
from ..registry import register


@register("GreenLagrangeStrain")
class GreenLagrangeStrain(Model):
    """Green-Lagrange strain of a deformation gradient, E = (F^T F - I)/2."""

    deformation_gradient = Input(R2)
    strain = Output(SR2)

    def forward(self, F: R2) -> SR2:
        return 0.5 * (sym(F.base.transpose(-2, -1) @ F) - SR2.identity(dtype=F.dtype, device=F.device))

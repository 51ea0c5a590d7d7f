# SPDX-License-Identifier: MIT
"""Mandel stress of an isotropic material at small strain."""

from __future__ import annotations

from ...types import SR2
from ..base import Model
from ..declarations import Input, Output
from ..registry import register


@register("IsotropicMandelStress")
class IsotropicMandelStress(Model):
    """For an isotropic material the Mandel stress equals the Cauchy stress."""

    cauchy_stress = Input(SR2)
    mandel_stress = Output(SR2)

    def forward(self, stress: SR2) -> SR2:
        return stress

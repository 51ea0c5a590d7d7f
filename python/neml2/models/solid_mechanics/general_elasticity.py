# SPDX-License-Identifier: MIT
"""Anisotropic Hooke's law in an oriented crystal."""

from __future__ import annotations

from ...types import MRP, SR2, SSR4, euler_rodrigues, rotate
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("GeneralElasticity")
class GeneralElasticity(Model):
    """sigma = (Q T Q^T) : eps, with T in crystal axes and Q the rotation from crystal to lab axes."""

    strain = Input(SR2)
    orientation = Input(MRP)
    stress = Output(SR2)
    elastic_stiffness_tensor = Parameter(SSR4, name="T", promotable=True)

    def forward(self, strain: SR2, orientation: MRP, stiffness: SSR4) -> SR2:
        R = euler_rodrigues(orientation)
        # Two rotations of a second-order tensor cost less than one of the stiffness.
        return rotate(stiffness @ rotate(strain, R.base.transpose(-2, -1)), R)

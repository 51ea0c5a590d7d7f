# SPDX-License-Identifier: MIT
"""Stress that drives a fluid out of a deforming solid."""

from __future__ import annotations

from ...types import R2, Scalar, inner
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("AdvectiveStress")
class AdvectiveStress(Model):
    """Average advective stress, p = -c/3 js^(-5/3) jt^(-2/3) P:F, with the volume ratios of swelling js and of thermal
    expansion jt, one where they are not named, and the first Piola-Kirchhoff stress P."""

    js = Input(Scalar, optional=True)
    jt = Input(Scalar, optional=True)
    deformation_gradient = Input(R2)
    pk1_stress = Input(R2)
    advective_stress = Output(Scalar)
    coefficient = Parameter(Scalar, name="coeff", promotable=True)

    def forward(self, js: Scalar | None, jt: Scalar | None, F: R2, P: R2, c: Scalar) -> Scalar:
        p = -c / 3 * inner(P, F)
        p = p if js is None else p * js ** (-5 / 3)
        return p if jt is None else p * jt ** (-2 / 3)

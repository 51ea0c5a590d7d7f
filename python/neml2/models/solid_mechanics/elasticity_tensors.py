# SPDX-License-Identifier: MIT
"""Elastic stiffness as a fourth-order tensor."""

from __future__ import annotations

from ...types import SSR4, Scalar
from ..base import Model
from ..declarations import BLOCK_NAME, Output
from ..registry import register
from .elastic_coefficients import Coefficients


@register("IsotropicElasticityTensor")
class IsotropicElasticityTensor(Model):
    """C = 3K I_vol + 2G I_dev."""

    C = Output(SSR4, BLOCK_NAME)
    coefficients = Coefficients(("YOUNGS_MODULUS", "POISSONS_RATIO"), ("BULK_MODULUS", "SHEAR_MODULUS"))

    def forward(self, first: Scalar, second: Scalar) -> SSR4:
        if self.coefficient_names == ("K", "G"):
            three_K, two_G = 3 * first, 2 * second
        else:
            three_K, two_G = first / (1 - 2 * second), first / (1 + second)
        like = {"dtype": first.dtype, "device": first.device}
        return three_K * SSR4.identity_vol(**like) + two_G * SSR4.identity_dev(**like)


@register("CubicElasticityTensor")
class CubicElasticityTensor(Model):
    """Stiffness with cubic symmetry about the crystal axes, C1111 = E (1 - nu) / ((1 + nu) (1 - 2 nu)),
    C1122 = E nu / ((1 + nu) (1 - 2 nu)), C1212 = G."""

    C = Output(SSR4, BLOCK_NAME)
    coefficients = Coefficients(("SHEAR_MODULUS", "YOUNGS_MODULUS", "POISSONS_RATIO"))

    def forward(self, G: Scalar, E: Scalar, nu: Scalar) -> SSR4:
        scale = E / ((1 + nu) * (1 - 2 * nu))
        like = {"dtype": E.dtype, "device": E.device}
        normal = scale * (1 - nu) * SSR4.identity_C1(**like) + scale * nu * SSR4.identity_C2(**like)
        return normal + 2 * G * SSR4.identity_C3(**like)

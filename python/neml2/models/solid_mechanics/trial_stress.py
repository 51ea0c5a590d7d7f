# SPDX-License-Identifier: MIT
"""Return mapping along the trial direction, with one scalar unknown."""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..declarations import Input, Output
from ..registry import register
from .elastic_coefficients import Coefficients


@register("LinearIsotropicElasticJ2TrialStressUpdate")
class LinearIsotropicElasticJ2TrialStressUpdate(Model):
    """Effective stress after radial return, s = s_trial - 3G (ep - ep~1), with G = E / (2 (1 + nu)).

    M. L. Wilkins, Calculation of elastic-plastic flow, Methods of Computational Physics 3 (1964).
    """

    elastic_trial_stress = Input(Scalar)
    equivalent_plastic_strain = Input(Scalar)
    old_equivalent_plastic_strain = Input(Scalar, derived="{equivalent_plastic_strain}~1")
    updated_trial_stress = Output(Scalar)
    coefficients = Coefficients(("YOUNGS_MODULUS", "POISSONS_RATIO"))

    def forward(self, trial: Scalar, ep: Scalar, ep_n: Scalar, E: Scalar, nu: Scalar) -> Scalar:
        return trial - 1.5 * E / (1 + nu) * (ep - ep_n)

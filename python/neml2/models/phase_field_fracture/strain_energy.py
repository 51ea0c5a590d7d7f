# SPDX-License-Identifier: MIT
"""Elastic energy, split into the part that drives a crack and the part that does not."""

from __future__ import annotations

from typing import Any

from ...types import SR2, Scalar, dev, inner, macaulay, tr
from ..base import Model
from ..declarations import Input, Option, Output, ParameterEntry
from ..parameters import resolve
from ..registry import register
from ..solid_mechanics.elastic_coefficients import CoefficientsDeclaration

BULK_AND_SHEAR = ("BULK_MODULUS", "SHEAR_MODULUS")


class BulkAndShearModulus(CoefficientsDeclaration):
    """The parameters K and G. Young's modulus and Poisson's ratio may be given in their place, as numbers or tensors,
    and are converted at once."""

    def __init__(self) -> None:
        super().__init__(BULK_AND_SHEAR, ("YOUNGS_MODULUS", "POISSONS_RATIO"))

    def describe(self) -> list[dict[str, Any]]:
        values, types = super().describe()
        return [{**values, "registered": "K, G"}, types]

    def entries(self, model: Any, value: dict[str, Any]) -> list[ParameterEntry]:
        if "YOUNGS_MODULUS" in value:
            where = model.where("coefficients")
            given = (ParameterEntry(word, Scalar, v, False, "coefficients") for word, v in value.items())
            E, nu = (resolve(entry, model.source, where) for entry in given)
            value = dict(zip(BULK_AND_SHEAR, (E / (3 * (1 - 2 * nu)), E / (2 * (1 + nu))), strict=True))
        return super().entries(model, value)


@register("LinearIsotropicStrainEnergyDensity")
class LinearIsotropicStrainEnergyDensity(Model):
    """Energy of a linear isotropic solid, active = K/2 t <t> + G dev(E):dev(E) and inactive = K/2 t (t - <t>), with the
    trace t of the strain. With the decomposition VOLDEV, <t> is the positive part of t; with NONE it is t, so that all
    energy is active.

    H. Amor, J.-J. Marigo and C. Maurini, Regularized formulation of the variational brittle fracture with unilateral
    contact, Journal of the Mechanics and Physics of Solids 57 (2009).
    """

    strain = Input(SR2)
    active_strain_energy_density = Output(Scalar)
    inactive_strain_energy_density = Output(Scalar)
    decomposition: str = Option(str, "NONE", choices=("NONE", "VOLDEV"))
    coefficients: Any = BulkAndShearModulus()

    def forward(self, E: SR2, K: Scalar, G: Scalar) -> tuple[Scalar, Scalar]:
        t, D = tr(E), dev(E)
        tension = t if self.decomposition == "NONE" else macaulay(t)
        return K / 2 * t * tension + G * inner(D, D), K / 2 * t * (t - tension)

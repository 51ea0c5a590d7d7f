# SPDX-License-Identifier: MIT
"""Isotropic Hooke's law."""

from __future__ import annotations

from ...types import SR2, Scalar, dev, vol
from ..base import Model
from ..declarations import Input, Option, Output, Variable
from ..registry import register
from .elastic_coefficients import Coefficients


@register("LinearIsotropicElasticity")
class LinearIsotropicElasticity(Model):
    """sigma = 3K vol(eps) + 2G dev(eps), with K = E / (3 (1 - 2 nu)) and G = E / (2 (1 + nu)).

    `compliance` turns the law round; `rate_form` applies it to the rates of both variables.
    """

    strain = Input(SR2)
    stress = Output(SR2)
    compliance: bool = Option(bool, False)
    rate_form: bool = Option(bool, False)
    coefficients = Coefficients(("YOUNGS_MODULUS", "POISSONS_RATIO"))

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        if self.rate_form:
            for variable in (*inputs, *outputs):
                variable.name = f"{variable.name}_rate"
        return (outputs, inputs) if self.compliance else (inputs, outputs)

    def forward(self, x: SR2, E: Scalar, nu: Scalar) -> SR2:
        K, G = E / (3 * (1 - 2 * nu)), E / (2 * (1 + nu))
        if self.compliance:
            return vol(x) / (3 * K) + dev(x) / (2 * G)
        return 3 * K * vol(x) + 2 * G * dev(x)

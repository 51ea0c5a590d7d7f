# SPDX-License-Identifier: MIT
"""Rates at which the radius of a precipitate grows; negative where it dissolves."""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("RateLimitedPrecipitateGrowthRate")
class RateLimitedPrecipitateGrowthRate(Model):
    """Growth that one species limits, R_dot = D / R (x - x_eq) / dx.

    C. Zener, Theory of growth of spherical precipitates from solid solution, Journal of Applied Physics 20 (1949).
    """

    current_concentration = Input(Scalar)
    growth_rate = Output(Scalar)
    radius = Parameter(Scalar, name="R", promotable=True)
    equilibrium_concentration = Parameter(Scalar, name="x_eq", promotable=True)
    concentration_difference = Parameter(Scalar, name="dx", promotable=True)
    diffusivity = Parameter(Scalar, name="D", promotable=True)

    def forward(self, x: Scalar, R: Scalar, x_eq: Scalar, dx: Scalar, D: Scalar) -> Scalar:
        return D / R * (x - x_eq) / dx


@register("SFFKPrecipitationGrowthRate")
class SFFKPrecipitationGrowthRate(Model):
    """Growth in a system of several components, R_dot = dg / (R R_g T s), s the projected sum of diffusivities.

    J. Svoboda, F. D. Fischer, P. Fratzl and E. Kozeschnik, Modelling of kinetics in multi-component multi-phase systems
    with spherical precipitates, Materials Science and Engineering A 385 (2004).
    """

    projected_diffusivity_sum = Input(Scalar)
    temperature = Input(Scalar)
    growth_rate = Output(Scalar)
    radius = Parameter(Scalar, name="R", promotable=True)
    gibbs_free_energy_difference = Parameter(Scalar, name="dg", promotable=True)
    gas_constant = Parameter(Scalar, name="R_g", promotable=True)

    def forward(self, s: Scalar, T: Scalar, R: Scalar, dg: Scalar, R_g: Scalar) -> Scalar:
        return dg / (R_g * T * s) / R

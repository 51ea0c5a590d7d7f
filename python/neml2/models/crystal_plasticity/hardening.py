# SPDX-License-Identifier: MIT
"""Strengths of slip systems and how they grow."""

from __future__ import annotations

from ...types import Scalar, abs, sqrt
from ..base import Model
from ..common.sites import per_site
from ..declarations import Input, Output, Parameter
from ..registry import register
from .slip_systems import OnSlipSystems


@register("SingleSlipStrengthMap")
class SingleSlipStrengthMap(OnSlipSystems):
    """One strength for all slip systems, slip_hardening + constant_strength. A constant strength with one site axis
    more than the hardening is one for each system."""

    slip_hardening = Input(Scalar)
    slip_strengths = Output(Scalar)
    constant_strength = Parameter(Scalar, promotable=True)

    def forward(self, hardening: Scalar, constant: Scalar) -> Scalar:
        if constant.sub_batch_ndim > hardening.sub_batch_ndim:
            return per_site(hardening) + constant
        return (hardening + constant).sub_batch.expand_at(self.nslip)


@register("DislocationObstacleStrengthMap")
class DislocationObstacleStrengthMap(Model):
    """Strength of slip against dislocations of density rho, constant_strength + alpha mu b sqrt(rho).

    G. I. Taylor, The mechanism of plastic deformation of crystals, Proc. R. Soc. A 145 (1934).
    """

    dislocation_density = Input(Scalar)
    slip_strengths = Output(Scalar)
    constant_strength = Parameter(Scalar, promotable=True)
    alpha = Parameter(Scalar, promotable=True)
    mu = Parameter(Scalar, promotable=True)
    b = Parameter(Scalar, promotable=True)

    def forward(self, density: Scalar, constant: Scalar, alpha: Scalar, mu: Scalar, b: Scalar) -> Scalar:
        return constant + alpha * mu * b * sqrt(density)


class SingleSlipHardeningRule(Model):
    """A rate of the hardening that all slip systems share, from the total slip rate."""

    slip_hardening = Input(Scalar)
    sum_slip_rates = Input(Scalar)
    slip_hardening_rate = Output(Scalar)


@register("LinearSingleSlipHardeningRule")
class LinearSingleSlipHardeningRule(SingleSlipHardeningRule):
    """hardening_slope times the total slip rate."""

    hardening_slope = Parameter(Scalar, promotable=True)

    def forward(self, hardening: Scalar, rate: Scalar, slope: Scalar) -> Scalar:
        return slope * rate


@register("VoceSingleSlipHardeningRule")
class VoceSingleSlipHardeningRule(SingleSlipHardeningRule):
    """initial_slope (1 - slip_hardening / saturated_hardening) times the total slip rate.

    E. Voce, The relationship between stress and strain for homogeneous deformation, J. Inst. Metals 74 (1948).
    """

    initial_slope = Parameter(Scalar, promotable=True)
    saturated_hardening = Parameter(Scalar, promotable=True)

    def forward(self, hardening: Scalar, rate: Scalar, slope: Scalar, saturated: Scalar) -> Scalar:
        return slope * (1.0 - hardening / saturated) * rate


@register("PerSlipForestDislocationEvolution")
class PerSlipForestDislocationEvolution(Model):
    """Storage and recovery of dislocations on each slip system, (k1 sqrt(rho) - k2 rho) |slip rate|.

    U. F. Kocks and H. Mecking, Physics and phenomenology of strain hardening: the FCC case, Prog. Mater. Sci. 48
    (2003).
    """

    dislocation_density = Input(Scalar)
    slip_rates = Input(Scalar)
    dislocation_density_rate = Output(Scalar, derived="{dislocation_density}_rate", rename="dislocation_density_rate")
    k1 = Parameter(Scalar, promotable=True)
    k2 = Parameter(Scalar, promotable=True)

    def forward(self, density: Scalar, rates: Scalar, k1: Scalar, k2: Scalar) -> Scalar:
        return (k1 * sqrt(density) - k2 * density) * abs(rates)

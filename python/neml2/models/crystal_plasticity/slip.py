# SPDX-License-Identifier: MIT
"""Shear on slip systems: what drives it, how fast it is, and what it amounts to."""

from __future__ import annotations

from ...types import R2, SR2, WR2, Scalar, abs, inner, pow, rotate
from ..base import Model
from ..common.sites import per_site, per_site_of_all
from ..declarations import Input, Output, Parameter
from ..registry import register
from .slip_systems import OnSlipSystems, over_systems, total


@register("ResolvedShear")
class ResolvedShear(OnSlipSystems):
    """Shear stress resolved on each slip system, tau_i = stress : R M_i R^T.

    G. I. Taylor and C. F. Elam, Proc. R. Soc. A 102 (1923).
    """

    stress = Input(SR2)
    orientation_matrix = Input(R2)
    resolved_shears = Output(Scalar)

    def forward(self, stress: SR2, R: R2) -> Scalar:
        # The stress goes to crystal axes, once, rather than each of the M_i to those of the laboratory.
        return inner(per_site(rotate(stress, R.base.transpose(-2, -1))), self.M)


@register("PowerLawSlipRule")
class PowerLawSlipRule(Model):
    """Slip rates gamma0 |tau_i / strength_i|^(n - 1) tau_i / strength_i.

    J. W. Hutchinson, Bounds and self-consistent estimates for creep of polycrystalline materials, Proc. R. Soc. A 348
    (1976).
    """

    resolved_shears = Input(Scalar)
    slip_strengths = Input(Scalar)
    slip_rates = Output(Scalar)
    gamma0 = Parameter(Scalar, promotable=True)
    n = Parameter(Scalar, promotable=True)

    def forward(self, tau: Scalar, strength: Scalar, gamma0: Scalar, n: Scalar) -> Scalar:
        tau, strength = per_site_of_all(tau, strength)
        ratio = tau / strength
        return gamma0 * pow(abs(ratio), n - 1.0) * ratio


@register("SumSlipRates")
class SumSlipRates(Model):
    """Total slip rate, the sum of |slip rate| over the systems."""

    slip_rates = Input(Scalar)
    sum_slip_rates = Output(Scalar)

    def forward(self, rates: Scalar) -> Scalar:
        return total(abs(over_systems(self, rates, "slip_rates")))


@register("PlasticDeformationRate")
class PlasticDeformationRate(OnSlipSystems):
    """Symmetric part of the plastic velocity gradient, R (sum of slip_rate_i M_i) R^T."""

    orientation_matrix = Input(R2)
    slip_rates = Input(Scalar)
    plastic_deformation_rate = Output(SR2)

    def forward(self, R: R2, rates: Scalar) -> SR2:
        return rotate(total(over_systems(self, rates, "slip_rates") * self.M), R)


@register("PlasticVorticity")
class PlasticVorticity(OnSlipSystems):
    """Skew part of the plastic velocity gradient, R (sum of slip_rate_i W_i) R^T."""

    orientation_matrix = Input(R2)
    slip_rates = Input(Scalar)
    plastic_vorticity = Output(WR2)

    def forward(self, R: R2, rates: Scalar) -> WR2:
        return rotate(total(over_systems(self, rates, "slip_rates") * self.W), R)


@register("PlasticSpatialVelocityGradient")
class PlasticSpatialVelocityGradient(OnSlipSystems):
    """Plastic velocity gradient R (sum of slip_rate_i d_i (x) n_i) R^T."""

    orientation_matrix = Input(R2)
    slip_rates = Input(Scalar)
    plastic_spatial_velocity_gradient = Output(R2)

    def forward(self, R: R2, rates: Scalar) -> R2:
        return rotate(total(over_systems(self, rates, "slip_rates") * self.A), R)

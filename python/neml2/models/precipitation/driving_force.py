# SPDX-License-Identifier: MIT
"""What drives precipitation, and how fast solute comes."""

from __future__ import annotations

from ...types import Scalar, log
from ..base import Model
from ..declarations import Input, Inputs, Output, Parameter, Parameters
from ..lists import require_equal_lengths, total
from ..registry import register


@register("ChemicalGibbsFreeEnergyDifference")
class ChemicalGibbsFreeEnergyDifference(Model):
    """dG = sum_i dx_i (mu_i - mu_eq_i) over the species, mu their chemical potentials and dx the differences of
    concentration."""

    concentration_differences = Inputs(Scalar)
    chemical_gibbs_free_energy = Output(Scalar)
    chemical_potentials = Parameters(Scalar, name="_mu_names", promotable=True)
    equilibrium_potentials = Parameters(Scalar, name="_mu_eq_names", promotable=True)

    def setup(self) -> None:
        require_equal_lengths(self, "concentration_differences", "chemical_potentials", "equilibrium_potentials")

    def forward(self, dx: tuple[Scalar, ...], mu: tuple[Scalar, ...], mu_eq: tuple[Scalar, ...]) -> Scalar:
        return total(d * (m - eq) for d, m, eq in zip(dx, mu, mu_eq, strict=True))


@register("IdealSolutionVolumetricDrivingForce")
class IdealSolutionVolumetricDrivingForce(Model):
    """dg = R T sum_i w_i log(c_i / c_eq_i) over the species of an ideal solution; one weight stands for all."""

    temperature = Input(Scalar)
    current_concentrations = Inputs(Scalar)
    driving_force = Output(Scalar)
    gas_constant = Parameter(Scalar, name="R_g")
    equilibrium_concentrations = Parameters(Scalar, name="_x_eq_names", promotable=True)
    weights = Parameters(Scalar, 1.0, name="_w_names")

    def setup(self) -> None:
        require_equal_lengths(self, "current_concentrations", "equilibrium_concentrations")
        if len(self._parameter_slots[-1][1]) != 1:
            require_equal_lengths(self, "current_concentrations", "weights")

    def forward(
        self, T: Scalar, c: tuple[Scalar, ...], R: Scalar, c_eq: tuple[Scalar, ...], w: tuple[Scalar, ...]
    ) -> Scalar:
        w = w if len(w) == len(c) else w * len(c)
        return R * T * total(wi * log(ci / eq) for wi, ci, eq in zip(w, c, c_eq, strict=True))


@register("ProjectedDiffusivitySum")
class ProjectedDiffusivitySum(Model):
    """s = sum_i dx_i^2 / (D_i x_i) over the species, x their concentrations far away, dx the differences between
    precipitate and matrix and D the diffusivities."""

    far_field_concentrations = Inputs(Scalar)
    projected_diffusivity_sum = Output(Scalar)
    concentration_differences = Parameters(Scalar, name="_dx_names", promotable=True)
    diffusivities = Parameters(Scalar, name="_D_names", promotable=True)

    def setup(self) -> None:
        require_equal_lengths(self, "far_field_concentrations", "concentration_differences", "diffusivities")

    def forward(self, x: tuple[Scalar, ...], dx: tuple[Scalar, ...], D: tuple[Scalar, ...]) -> Scalar:
        return total(di * di / (Di * xi) for xi, di, Di in zip(x, dx, D, strict=True))

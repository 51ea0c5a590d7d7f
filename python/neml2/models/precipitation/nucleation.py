# SPDX-License-Identifier: MIT
"""Classical nucleation theory. gamma is the surface energy, Vm the molar volume, Na Avogadro's and k Boltzmann's
constant."""

from __future__ import annotations

import math

from ...types import Scalar, exp, sqrt
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("NucleationBarrierAndCriticalRadius")
class NucleationBarrierAndCriticalRadius(Model):
    """Energy that a nucleus has to overcome, and its radius there, barrier = 16 pi/3 gamma^3 Vm^2 / dg^2 and
    R = 2 gamma Vm / dg, which is negative where the driving force dg is."""

    nucleation_barrier = Output(Scalar)
    critical_radius = Output(Scalar)
    surface_energy = Parameter(Scalar, name="gamma", promotable=True)
    total_gibbs_free_energy_difference = Parameter(Scalar, name="dg_total", promotable=True)
    molar_volume = Parameter(Scalar, name="V_m")

    def forward(self, gamma: Scalar, dg: Scalar, Vm: Scalar) -> tuple[Scalar, Scalar]:
        ratio = Vm / dg
        return 16 / 3 * math.pi * gamma**3 * ratio * ratio, 2 * gamma * ratio


@register("ZeldovichFactor")
class ZeldovichFactor(Model):
    """Part of the critical nuclei that go on growing, Z = Vm / (2 pi Na R^2) sqrt(gamma / (k T)), R the critical
    radius."""

    critical_radius = Input(Scalar)
    temperature = Input(Scalar)
    zeldovich_factor = Output(Scalar)
    surface_energy = Parameter(Scalar, name="gamma", promotable=True)
    molar_volume = Parameter(Scalar, name="V_m")
    avogadro_number = Parameter(Scalar, name="N_a")
    boltzmann_constant = Parameter(Scalar, name="k")

    def forward(self, R: Scalar, T: Scalar, gamma: Scalar, Vm: Scalar, Na: Scalar, k: Scalar) -> Scalar:
        return Vm / (2 * math.pi * Na * R * R) * sqrt(gamma / (k * T))


@register("KineticFactor")
class KineticFactor(Model):
    """Rate at which atoms attach to a nucleus of critical radius R, beta = 4 pi (Na / Vm)^(4/3) R^2 / s, s the
    projected sum of diffusivities."""

    critical_radius = Input(Scalar)
    projected_diffusivity_sum = Input(Scalar)
    kinetic_factor = Output(Scalar)
    molar_volume = Parameter(Scalar, name="V_m", promotable=True)
    avogadro_number = Parameter(Scalar, name="N_a", promotable=True)

    def forward(self, R: Scalar, s: Scalar, Vm: Scalar, Na: Scalar) -> Scalar:
        return 4 * math.pi * (Na / Vm) ** (4 / 3) * R * R / s


@register("NucleationFluxMagnitude")
class NucleationFluxMagnitude(Model):
    """Nuclei per time, J = Z beta N0 exp(-G / (k T)), N0 the density of sites and G the barrier."""

    zeldovich_factor = Input(Scalar)
    kinetic_factor = Input(Scalar)
    nucleation_barrier = Input(Scalar)
    temperature = Input(Scalar)
    nucleation_flux_magnitude = Output(Scalar)
    nucleation_site_density = Parameter(Scalar, name="N0", promotable=True)
    boltzmann_constant = Parameter(Scalar, name="k")

    def forward(self, Z: Scalar, beta: Scalar, G: Scalar, T: Scalar, N0: Scalar, k: Scalar) -> Scalar:
        return Z * beta * N0 * exp(-G / (k * T))

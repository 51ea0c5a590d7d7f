# SPDX-License-Identifier: MIT
"""Linear viscoelasticity from springs and dashpots, each acting on all components of the tensor alike."""

from __future__ import annotations

from ...types import SR2, Scalar
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("LinearDashpot")
class LinearDashpot(Model):
    """Newtonian dashpot, Ev_rate = S / eta."""

    stress = Input(SR2)
    viscous_strain_rate = Output(SR2)
    viscosity = Parameter(Scalar, name="eta", promotable=True)

    def forward(self, stress: SR2, eta: Scalar) -> SR2:
        return stress / eta


@register("KelvinVoigtElement")
class KelvinVoigtElement(Model):
    """Spring and dashpot in parallel, S = K E + eta E_rate."""

    strain = Input(SR2)
    strain_rate = Input(SR2, derived="{strain}_rate")
    stress = Output(SR2)
    modulus = Parameter(Scalar, name="K", promotable=True)
    viscosity = Parameter(Scalar, name="eta", promotable=True)

    def forward(self, strain: SR2, rate: SR2, K: Scalar, eta: Scalar) -> SR2:
        return K * strain + eta * rate


@register("ZenerElement")
class ZenerElement(Model):
    """Standard linear solid, a spring in parallel with a Maxwell branch, S = Einf E + EM (E - Ev),
    Ev_rate = EM (E - Ev) / etaM."""

    strain = Input(SR2)
    viscous_strain = Input(SR2)
    stress = Output(SR2)
    viscous_strain_rate = Output(SR2, derived="{viscous_strain}_rate", rename="viscous_strain_rate")
    equilibrium_modulus = Parameter(Scalar, name="Einf", promotable=True)
    maxwell_modulus = Parameter(Scalar, name="EM", promotable=True)
    maxwell_viscosity = Parameter(Scalar, name="etaM", promotable=True)

    def forward(self, E: SR2, Ev: SR2, Einf: Scalar, EM: Scalar, etaM: Scalar) -> tuple[SR2, SR2]:
        branch = EM * (E - Ev)
        return Einf * E + branch, branch / etaM


@register("WiechertElement")
class WiechertElement(Model):
    """A spring in parallel with two Maxwell branches, S = Einf E + sum_i E_i (E - Ev_i),
    Ev_i_rate = E_i (E - Ev_i) / eta_i."""

    strain = Input(SR2)
    viscous_strain_1 = Input(SR2)
    viscous_strain_2 = Input(SR2)
    stress = Output(SR2)
    viscous_strain_1_rate = Output(SR2, derived="{viscous_strain_1}_rate", rename="viscous_strain_1_rate")
    viscous_strain_2_rate = Output(SR2, derived="{viscous_strain_2}_rate", rename="viscous_strain_2_rate")
    equilibrium_modulus = Parameter(Scalar, name="Einf", promotable=True)
    modulus_1 = Parameter(Scalar, name="E1", promotable=True)
    viscosity_1 = Parameter(Scalar, name="eta1", promotable=True)
    modulus_2 = Parameter(Scalar, name="E2", promotable=True)
    viscosity_2 = Parameter(Scalar, name="eta2", promotable=True)

    def forward(
        self,
        E: SR2,
        Ev1: SR2,
        Ev2: SR2,
        Einf: Scalar,
        E1: Scalar,
        eta1: Scalar,
        E2: Scalar,
        eta2: Scalar,
    ) -> tuple[SR2, SR2, SR2]:
        first, second = E1 * (E - Ev1), E2 * (E - Ev2)
        return Einf * E + first + second, first / eta1, second / eta2


@register("BurgersElement")
class BurgersElement(Model):
    """Maxwell and Kelvin-Voigt elements in series, S = EM (E - Em - Ek), Em_rate = S / etaM,
    Ek_rate = (S - EK Ek) / etaK."""

    strain = Input(SR2)
    maxwell_viscous_strain = Input(SR2)
    kelvin_voigt_strain = Input(SR2)
    stress = Output(SR2)
    maxwell_viscous_strain_rate = Output(
        SR2, derived="{maxwell_viscous_strain}_rate", rename="maxwell_viscous_strain_rate"
    )
    kelvin_voigt_strain_rate = Output(SR2, derived="{kelvin_voigt_strain}_rate", rename="kelvin_voigt_strain_rate")
    maxwell_modulus = Parameter(Scalar, name="EM", promotable=True)
    maxwell_viscosity = Parameter(Scalar, name="etaM", promotable=True)
    kelvin_modulus = Parameter(Scalar, name="EK", promotable=True)
    kelvin_viscosity = Parameter(Scalar, name="etaK", promotable=True)

    def forward(
        self, E: SR2, Em: SR2, Ek: SR2, EM: Scalar, etaM: Scalar, EK: Scalar, etaK: Scalar
    ) -> tuple[SR2, SR2, SR2]:
        stress = EM * (E - Em - Ek)
        return stress, stress / etaM, (stress - EK * Ek) / etaK

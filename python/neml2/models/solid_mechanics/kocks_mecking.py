# SPDX-License-Identifier: MIT
"""Kocks-Mecking model: flow stress as a function of temperature and rate through one activation energy.

U. F. Kocks and H. Mecking, Physics and phenomenology of strain hardening: the FCC case, Progress in Materials
Science 48 (2003). mu is the shear modulus, k Boltzmann's constant, b the length of the Burgers vector and eps0
a reference strain rate; ln(stress / mu) = A g + B over the normalised activation energy g, and C below the
transition to rate independence.
"""

from __future__ import annotations

from ...types import Scalar, exp, log, tanh
from ..base import Model
from ..declarations import BLOCK_NAME, Input, Option, Output, Parameter
from ..registry import register


@register("KocksMeckingActivationEnergy")
class KocksMeckingActivationEnergy(Model):
    """Normalised activation energy, g = k T / (mu b^3) ln(eps0 / strain rate)."""

    temperature = Input(Scalar)
    strain_rate = Input(Scalar)
    activation_energy = Output(Scalar)
    shear_modulus = Parameter(Scalar, name="mu", promotable=True)
    eps0: float = Option(float)
    k: float = Option(float)
    b: float = Option(float)

    def forward(self, temperature: Scalar, rate: Scalar, mu: Scalar) -> Scalar:
        return self.k / self.b**3 * temperature / mu * log(self.eps0 / rate)


@register("KocksMeckingIntercept")
class KocksMeckingIntercept(Model):
    """Activation energy of the transition between the regimes, (C - B)/A."""

    intercept = Output(Scalar)
    A = Parameter(Scalar, promotable=True)
    B = Parameter(Scalar, promotable=True)
    C = Parameter(Scalar, promotable=True)

    def forward(self, A: Scalar, B: Scalar, C: Scalar) -> Scalar:
        return (C - B) / A


@register("KocksMeckingYieldStress")
class KocksMeckingYieldStress(Model):
    """Yield stress of the rate-independent regime, mu exp(C)."""

    yield_stress = Output(Scalar)
    C = Parameter(Scalar, promotable=True)
    shear_modulus = Parameter(Scalar, name="mu", promotable=True)

    def forward(self, C: Scalar, mu: Scalar) -> Scalar:
        return mu * exp(C)


@register("KocksMeckingRateSensitivity")
class KocksMeckingRateSensitivity(Model):
    """Exponent of the rate-dependent flow, n = -mu b^3 / (k T A)."""

    temperature = Input(Scalar)
    rate_sensitivity = Output(Scalar)
    A = Parameter(Scalar, promotable=True)
    shear_modulus = Parameter(Scalar, name="mu", promotable=True)
    k: float = Option(float)
    b: float = Option(float)

    def forward(self, temperature: Scalar, A: Scalar, mu: Scalar) -> Scalar:
        return -(self.b**3) / self.k * mu / (temperature * A)


@register("KocksMeckingFlowViscosity")
class KocksMeckingFlowViscosity(Model):
    """Reference stress of the rate-dependent flow, eta = exp(B) mu eps0^(k T A / (mu b^3))."""

    temperature = Input(Scalar)
    viscosity = Output(Scalar, BLOCK_NAME)
    A = Parameter(Scalar, promotable=True)
    B = Parameter(Scalar, promotable=True)
    shear_modulus = Parameter(Scalar, name="mu", promotable=True)
    eps0: float = Option(float)
    k: float = Option(float)
    b: float = Option(float)

    def forward(self, temperature: Scalar, A: Scalar, B: Scalar, mu: Scalar) -> Scalar:
        return exp(B) * mu * self.eps0 ** (self.k / self.b**3 * temperature * A / mu)


@register("KocksMeckingFlowSwitch")
class KocksMeckingFlowSwitch(Model):
    """Flow rate s r_dep + (1 - s) r_indep, with s = (tanh(sharpness (g - g0)) + 1)/2 between a
    rate-independent (g < g0) and a rate-dependent one."""

    activation_energy = Input(Scalar)
    rate_independent_flow_rate = Input(Scalar)
    rate_dependent_flow_rate = Input(Scalar)
    flow_rate = Output(Scalar)
    g0 = Parameter(Scalar, promotable=True)
    sharpness: float = Option(float, 1.0)

    def forward(self, g: Scalar, independent: Scalar, dependent: Scalar, g0: Scalar) -> Scalar:
        s = 0.5 * (tanh(self.sharpness * (g - g0)) + 1)
        return s * dependent + (1 - s) * independent

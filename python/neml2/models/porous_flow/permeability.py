# SPDX-License-Identifier: MIT
"""Permeability as a function of porosity phi, relative to the permeability K0 at the porosity phi0."""

from __future__ import annotations

from ...types import Scalar, exp
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


class Permeability(Model):
    """What the laws share."""

    porosity = Input(Scalar)
    permeability = Output(Scalar)
    reference_permeability = Parameter(Scalar, name="K0")
    reference_porosity = Parameter(Scalar, name="phi0")


@register("ExponentialLawPermeability")
class ExponentialLawPermeability(Permeability):
    """K = K0 exp(a (phi0 - phi))."""

    scale = Parameter(Scalar, name="a")

    def forward(self, phi: Scalar, K0: Scalar, phi0: Scalar, a: Scalar) -> Scalar:
        return K0 * exp(a * (phi0 - phi))


@register("KozenyCarmanPermeability")
class KozenyCarmanPermeability(Permeability):
    """K = K0 (phi / (1 - phi))^n / (phi0 / (1 - phi0))^m."""

    n = Parameter(Scalar)
    m = Parameter(Scalar)

    def forward(self, phi: Scalar, K0: Scalar, phi0: Scalar, n: Scalar, m: Scalar) -> Scalar:
        return K0 * (phi / (1 - phi)) ** n / (phi0 / (1 - phi0)) ** m


@register("PowerLawPermeability")
class PowerLawPermeability(Permeability):
    """K = K0 (phi / phi0)^p."""

    exponent = Parameter(Scalar, name="p")

    def forward(self, phi: Scalar, K0: Scalar, phi0: Scalar, p: Scalar) -> Scalar:
        return K0 * (phi / phi0) ** p

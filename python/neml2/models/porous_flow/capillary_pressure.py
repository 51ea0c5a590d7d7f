# SPDX-License-Identifier: MIT
"""Capillary pressure as a function of the effective saturation S.

Both curves are singular at S = 0. With `log_extension`, below `transition_saturation` the logarithm of the pressure
goes on linearly, with the value and the slope that it has there.
"""

from __future__ import annotations

from ...types import Scalar, clamp, exp, lt, where
from ..base import Model
from ..declarations import Input, Option, Output, Parameter
from ..registry import register
from ..tolerance import eps


class CapillaryPressure(Model):
    """A curve with its logarithmic extension."""

    effective_saturation = Input(Scalar)
    capillary_pressure = Output(Scalar)
    log_extension: bool = Option(bool, False)
    transition_saturation: float = Option(float, 0.0)

    def setup(self) -> None:
        if not 0 <= self.transition_saturation <= 1:
            text = f"expected a saturation from 0 to 1, got {self.transition_saturation:g}"
            raise self.error(text, "transition_saturation")
        if self.log_extension and self.transition_saturation == 0:
            raise self.error("the extension needs a saturation above 0 to begin at", "transition_saturation")

    def pressure(self, S: Scalar, *parameters: Scalar) -> Scalar:
        raise NotImplementedError

    def log_slope(self, S: float, *parameters: Scalar) -> Scalar:
        """Derivative of the pressure's natural logarithm."""
        raise NotImplementedError

    def extended(self, S: Scalar, *parameters: Scalar) -> Scalar:
        if not self.log_extension:
            return self.pressure(S, *parameters)
        Sp = self.transition_saturation
        low = lt(S, Sp)
        excess = where(low, S - Sp, 0.0)
        return self.pressure(where(low, Sp, S), *parameters) * exp(excess * self.log_slope(Sp, *parameters))


@register("BrooksCoreyCapillaryPressure")
class BrooksCoreyCapillaryPressure(CapillaryPressure):
    """Capillary pressure of Brooks and Corey, Pc = Pt S^(-1/p).

    R. H. Brooks and A. T. Corey, Hydraulic properties of porous media, Hydrology Papers 3, Colorado State University
    (1964).
    """

    threshold_pressure = Parameter(Scalar, name="Pt", promotable=True)
    exponent = Parameter(Scalar, name="p", promotable=True)

    def forward(self, S: Scalar, Pt: Scalar, p: Scalar) -> Scalar:
        return self.extended(S, Pt, p)

    def pressure(self, S: Scalar, Pt: Scalar, p: Scalar) -> Scalar:
        return Pt * S ** (-1 / p)

    def log_slope(self, S: float, Pt: Scalar, p: Scalar) -> Scalar:
        return -1 / (S * p)


@register("VanGenuchtenCapillaryPressure")
class VanGenuchtenCapillaryPressure(CapillaryPressure):
    """Capillary pressure of van Genuchten, Pc = a (S^(-1/m) - 1)^(1 - m), with S at most 1 - eps.

    M. Th. van Genuchten, A closed-form equation for predicting the hydraulic conductivity of unsaturated soils, Soil
    Science Society of America Journal 44 (1980).
    """

    a = Parameter(Scalar, promotable=True)
    m = Parameter(Scalar, promotable=True)

    def forward(self, S: Scalar, a: Scalar, m: Scalar) -> Scalar:
        return self.extended(S, a, m)

    def pressure(self, S: Scalar, a: Scalar, m: Scalar) -> Scalar:
        return a * (clamp(S, hi=1 - eps(S)) ** (-1 / m) - 1) ** (1 - m)

    def log_slope(self, S: float, a: Scalar, m: Scalar) -> Scalar:
        power = S ** (-1 / m)
        return (m - 1) / m * power / (S * (power - 1))

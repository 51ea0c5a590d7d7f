# SPDX-License-Identifier: MIT
"""Rates of solid-state reactions as functions of the degree of conversion a.

A. Khawam and D. R. Flanagan, Solid-state kinetic models: basics and mathematical fundamentals, The Journal of
Physical Chemistry B 110 (2006).
"""

from __future__ import annotations

from ...types import Scalar, clamp, log
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register
from ..tolerance import eps


@register("AvramiErofeevNucleation")
class AvramiErofeevNucleation(Model):
    """Nucleation and growth, rate = k (1 - a) (-log(1 - a))^n. Not a number from complete conversion on."""

    conversion_degree = Input(Scalar)
    reaction_rate = Output(Scalar)
    coef = Parameter(Scalar, name="k", promotable=True)
    order = Parameter(Scalar, name="n", promotable=True)

    def forward(self, a: Scalar, k: Scalar, n: Scalar) -> Scalar:
        return k * (1 - a) * (-log(1 - a)) ** n


@register("ContractingGeometry")
class ContractingGeometry(Model):
    """A reacting surface that shrinks, rate = k (1 - a)^n with 1 - a clamped to [eps, 1]."""

    conversion_degree = Input(Scalar)
    reaction_rate = Output(Scalar)
    coef = Parameter(Scalar, name="k", promotable=True)
    order = Parameter(Scalar, name="n")

    def forward(self, a: Scalar, k: Scalar, n: Scalar) -> Scalar:
        return k * clamp(1 - a, eps(a), 1.0) ** n

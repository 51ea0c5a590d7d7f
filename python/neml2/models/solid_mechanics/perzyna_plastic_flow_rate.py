# SPDX-License-Identifier: MIT
"""Perzyna's power law of viscoplastic flow."""

from __future__ import annotations

from ...types import Scalar, gt, where
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("PerzynaPlasticFlowRate")
class PerzynaPlasticFlowRate(Model):
    """Overstress law, gamma_rate = (f / eta)^n for f > 0, else 0; derivatives at f = 0 are 0 for n > 1.

    P. Perzyna, Fundamental problems in viscoplasticity, Advances in Applied Mechanics 9 (1966).
    """

    yield_function = Input(Scalar)
    flow_rate = Output(Scalar)
    reference_stress = Parameter(Scalar, name="eta", promotable=True)
    exponent = Parameter(Scalar, name="n", promotable=True)

    def forward(self, f: Scalar, eta: Scalar, n: Scalar) -> Scalar:
        flows = gt(f, 0.0)
        # A branch that is not taken must have finite derivatives too, so the power is of 1 there, not of f.
        return where(flows, (where(flows, f, 1.0) / eta) ** n, 0.0)

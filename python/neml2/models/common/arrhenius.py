# SPDX-License-Identifier: MIT
"""Parameters that depend on temperature."""

from __future__ import annotations

from ...types import Scalar, exp
from ..base import Model
from ..declarations import BLOCK_NAME, Input, Option, Output, Parameter
from ..registry import register


@register("ArrheniusParameter")
class ArrheniusParameter(Model):
    """Arrhenius law, p = p0 exp(-Q / (R T)), T the absolute temperature and R the ideal gas constant."""

    temperature = Input(Scalar)
    parameter = Output(Scalar, BLOCK_NAME)
    reference_value = Parameter(Scalar, name="p0")
    activation_energy = Parameter(Scalar, name="Q")
    ideal_gas_constant: float = Option(float)

    def forward(self, temperature: Scalar, p0: Scalar, Q: Scalar) -> Scalar:
        return p0 * exp(-Q / (self.ideal_gas_constant * temperature))

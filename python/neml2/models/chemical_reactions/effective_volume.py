# SPDX-License-Identifier: MIT
"""Volume of a reacting composite."""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..declarations import Input, Inputs, Output, Parameter, Parameters
from ..lists import require_equal_lengths, total
from ..registry import register


@register("EffectiveVolume")
class EffectiveVolume(Model):
    """Volume of a mass M of constituents with open pores, V = M / (1 - phi_o) sum_i w_i / rho_i; phi_o is zero where it
    is not named."""

    open_volume_fraction = Input(Scalar, optional=True)
    mass_fractions = Inputs(Scalar)
    composite_volume = Output(Scalar)
    reference_mass = Parameter(Scalar, name="M", promotable=True)
    densities = Parameters(Scalar, name="_rho_names")

    def setup(self) -> None:
        require_equal_lengths(self, "mass_fractions", "densities")

    def forward(self, phi_o: Scalar | None, w: tuple[Scalar, ...], M: Scalar, rho: tuple[Scalar, ...]) -> Scalar:
        V = M * total(w_i / rho_i for w_i, rho_i in zip(w, rho, strict=True))
        return V if phi_o is None else V / (1 - phi_o)

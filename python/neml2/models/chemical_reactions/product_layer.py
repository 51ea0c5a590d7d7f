# SPDX-License-Identifier: MIT
"""A liquid in a channel of a solid reacts through the layer of product that lines the channel."""

from __future__ import annotations

from ...types import Scalar, clamp, sqrt
from ..base import Model
from ..declarations import Input, Option, Output, Parameter
from ..registry import register
from ..tolerance import eps


@register("CylindricalChannelGeometry")
class CylindricalChannelGeometry(Model):
    """Radii of the product over that of the cell, ri = sqrt(1 - phi_s - phi_p) and ro = sqrt(1 - phi_s), phi_s and
    phi_p the volume fractions of solid and product; the argument of the first root is clamped to [eps, 1]."""

    solid_fraction = Input(Scalar)
    product_fraction = Input(Scalar)
    inner_radius = Output(Scalar)
    outer_radius = Output(Scalar)

    def forward(self, phi_s: Scalar, phi_p: Scalar) -> tuple[Scalar, Scalar]:
        return sqrt(clamp(1 - phi_s - phi_p, eps(phi_s), 1.0)), sqrt(1 - phi_s)


@register("DiffusionLimitedReaction")
class DiffusionLimitedReaction(Model):
    """Reaction limited by diffusion through the product, rate = 2 D Rl Rs / omega ro / (ro - ri + delta), omega the
    molar volume and delta a small thickness that keeps the rate finite without product."""

    product_inner_radius = Input(Scalar)
    solid_inner_radius = Input(Scalar)
    liquid_reactivity = Input(Scalar)
    solid_reactivity = Input(Scalar)
    reaction_rate = Output(Scalar)
    diffusion_coefficient = Parameter(Scalar, name="D", promotable=True)
    product_dummy_thickness: float = Option(float, 0.01)
    molar_volume: float = Option(float)

    def forward(self, ri: Scalar, ro: Scalar, Rl: Scalar, Rs: Scalar, D: Scalar) -> Scalar:
        return 2 / self.molar_volume * D * Rl * Rs * ro / (ro - ri + self.product_dummy_thickness)

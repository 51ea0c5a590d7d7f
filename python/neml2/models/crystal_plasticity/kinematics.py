# SPDX-License-Identifier: MIT
"""Small elastic stretch, large rotation of the lattice."""

from __future__ import annotations

from ...types import MRP, R2, SR2, WR2, inner, lt, r2_from_sr2, r2_from_wr2, skew, sym, where
from ..base import Model
from ..declarations import Input, Option, Output
from ..registry import register


@register("ElasticStrainRate")
class ElasticStrainRate(Model):
    """Rate of the small elastic strain E in laboratory axes, d - dp + W E - E W, with the vorticity W."""

    elastic_strain = Input(SR2)
    deformation_rate = Input(SR2)
    vorticity = Input(WR2)
    plastic_deformation_rate = Input(SR2)
    elastic_strain_rate = Output(SR2)

    def forward(self, strain: SR2, d: SR2, w: WR2, dp: SR2) -> SR2:
        return d - dp + sym(commutator(r2_from_wr2(w), r2_from_sr2(strain)))


@register("OrientationRate")
class OrientationRate(Model):
    """Spin of the lattice in laboratory axes, w - wp + Dp E - E Dp, with the elastic strain E."""

    elastic_strain = Input(SR2)
    vorticity = Input(WR2)
    plastic_deformation_rate = Input(SR2)
    plastic_vorticity = Input(WR2)
    orientation_rate = Output(WR2)

    def forward(self, strain: SR2, w: WR2, dp: SR2, wp: WR2) -> WR2:
        return w - wp + skew(commutator(r2_from_sr2(dp), r2_from_sr2(strain)))


def commutator(a: R2, b: R2) -> R2:
    return a @ b - b @ a


@register("FixOrientation")
class FixOrientation(Model):
    """The same orientation with parameters of squared length below `threshold`: r, or its shadow -r/(r.r). It runs
    after other models that provide the output."""

    priority = 1
    input = Input(MRP)
    output = Output(MRP)
    threshold: float = Option(float, 1.0)

    def forward(self, r: MRP) -> MRP:
        square = inner(r, r)
        inside = lt(square, self.threshold)
        return where(inside, r, -r / where(inside, 1.0, square))

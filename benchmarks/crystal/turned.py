# SPDX-License-Identifier: MIT
"""Tensors in axes that turn: what `fcc_lattice.i` needs to solve in those of the lattice."""

from neml2.models import Input, Model, Option, Output, register_family
from neml2.models.declarations import T
from neml2.types import R2, SR2, WR2, rotate


@register_family("Rotated{T}", (SR2, WR2))
class Rotated(Model):
    """Q A Q^T, or Q^T A Q with `inverse`."""

    tensor = Input(T)
    rotation = Input(R2)
    rotated = Output(T)
    inverse: bool = Option(bool, False)

    def forward(self, a, Q: R2):
        return rotate(a, Q.base.transpose(-2, -1) if self.inverse else Q)

# SPDX-License-Identifier: MIT
"""Parts and other representations of a tensor."""

from __future__ import annotations

from ...types import MRP, R2, SR2, WR2, Scalar, Vec, euler_rodrigues, r2_from_sr2, skew, sym, vec_component
from ..base import Model
from ..declarations import Input, Option, Output, Variable
from ..registry import register


@register("R2ToSR2")
class R2ToSR2(Model):
    """Symmetric part, output = (A + A^T)/2."""

    input = Input(R2)
    output = Output(SR2)

    def forward(self, a: R2) -> SR2:
        return sym(a)


@register("R2ToWR2")
class R2ToWR2(Model):
    """Skew part, output = (A - A^T)/2."""

    input = Input(R2)
    output = Output(WR2)

    def forward(self, a: R2) -> WR2:
        return skew(a)


@register("SR2ToR2")
class SR2ToR2(Model):
    """The same symmetric tensor with all nine components."""

    input = Input(SR2)
    output = Output(R2)

    def forward(self, a: SR2) -> R2:
        return r2_from_sr2(a)


@register("ScalarToDiagonalSR2")
class ScalarToDiagonalSR2(Model):
    """Isotropic tensor, output = a I."""

    input = Input(Scalar)
    output = Output(SR2)

    def forward(self, a: Scalar) -> SR2:
        return SR2.fill(a)


@register("RotationMatrix")
class RotationMatrix(Model):
    """Rotation matrix of an orientation (Euler-Rodrigues formula)."""

    from_ = Input(MRP)
    to = Output(R2)

    def forward(self, r: MRP) -> R2:
        return euler_rodrigues(r)


@register("VecComponents")
class VecComponents(Model):
    """The three components of a vector; `to` names them."""

    from_ = Input(Vec)
    to_: list[str] = Option(list[str])  # `to` is a method of every module

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        if len(self.to_) != 3:
            raise self.error(f"expected three names, got {len(self.to_)}", "to")
        return inputs, [Variable("to", Scalar, name) for name in self.to_]

    def forward(self, v: Vec) -> tuple[Scalar, Scalar, Scalar]:
        return vec_component(v, 0), vec_component(v, 1), vec_component(v, 2)

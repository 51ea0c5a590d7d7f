# SPDX-License-Identifier: MIT
"""Products and quotients of scalars."""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..declarations import Inputs, Option, Output, Parameter
from ..registry import register


@register("ScalarMultiplication")
class ScalarMultiplication(Model):
    """Product, to = scaling prod_i from_i^(+-1), the exponent being -1 where `reciprocal` says so (one flag stands
    for all)."""

    from_ = Inputs(Scalar)
    to = Output(Scalar)
    scaling = Parameter(Scalar, 1.0, promotable=True)
    reciprocal: list[bool] = Option(list[bool], default=(False,))

    def setup(self) -> None:
        factors, flags = len(self._inputs[0].names), len(self.reciprocal)
        if factors == 0:
            raise self.error("expected at least one variable", "from")
        if flags not in (1, factors):
            raise self.error(f"expected 1 flag or {factors}, one for each variable, got {flags}", "reciprocal")
        self._divides = tuple(self.reciprocal) if flags == factors else tuple(self.reciprocal) * factors

    def forward(self, factors: tuple[Scalar, ...], scaling: Scalar) -> Scalar:
        product = scaling
        for factor, divides in zip(factors, self._divides, strict=True):
            product = product / factor if divides else product * factor
        return product

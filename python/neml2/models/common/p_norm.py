# SPDX-License-Identifier: MIT
"""Weighted p-norm of scalars."""

from __future__ import annotations

from ...types import Scalar, abs
from ..base import Model
from ..declarations import Inputs, Output, Parameter, Parameters
from ..registry import register
from ..tolerance import eps


@register("ScalarPNorm")
class ScalarPNorm(Model):
    """Weighted p-norm, to = (sum_i w_i |from_i|^p + eps)^(1/p); one weight stands for all."""

    from_ = Inputs(Scalar)
    to = Output(Scalar)
    exponent = Parameter(Scalar, name="_p")
    weights = Parameters(Scalar, 1.0, name="weight")

    def setup(self) -> None:
        terms, weights = len(self._inputs[0].names), len(self._parameter_slots[1][1])
        if terms == 0:
            raise self.error("expected at least one variable", "from")
        if weights not in (1, terms):
            raise self.error(f"expected 1 weight or {terms}, one for each variable, got {weights}", "weights")

    def forward(self, terms: tuple[Scalar, ...], p: Scalar, weights: tuple[Scalar, ...]) -> Scalar:
        weights = weights if len(weights) == len(terms) else weights * len(terms)
        total = weights[0] * abs(terms[0]) ** p
        for weight, term in zip(weights[1:], terms[1:], strict=True):
            total = total + weight * abs(term) ** p
        return (total + eps(total)) ** (1 / p)

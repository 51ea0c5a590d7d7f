# SPDX-License-Identifier: MIT
"""Weighted sums."""

from __future__ import annotations

from typing import Any

from ...types import SR2, Scalar
from ..base import Model
from ..declarations import Inputs, Output, Parameter, Parameters, T
from ..registry import register_family


@register_family("{T}LinearCombination", (Scalar, SR2))
class LinearCombination(Model):
    """Weighted sum, to = sum_i w_i from_i + offset; one weight stands for all. The offset is added to every stored
    component."""

    from_ = Inputs(T)
    to = Output(T)
    weights = Parameters(Scalar, 1.0, name="weight", promotable=True)
    offset = Parameter(Scalar, 0.0, promotable=True)

    def setup(self) -> None:
        terms, weights = len(self._inputs[0].names), len(self._parameter_slots[0][1])
        if terms == 0:
            raise self.error("expected at least one variable", "from")
        if weights not in (1, terms):
            raise self.error(f"expected 1 weight or {terms}, one for each variable, got {weights}", "weights")

    def forward(self, terms: tuple[Any, ...], weights: tuple[Scalar, ...], offset: Scalar) -> Any:
        weights = weights if len(weights) == len(terms) else weights * len(terms)
        total = weights[0] * terms[0]
        for weight, term in zip(weights[1:], terms[1:], strict=True):
            total = total + weight * term
        return total + offset

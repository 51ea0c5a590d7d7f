# SPDX-License-Identifier: MIT
"""Reduction of a rate-dependent update to its rate: the driving force as a line through zero rate."""

from __future__ import annotations

from typing import Any

from ...errors import listing, suggestion
from ...types import Scalar, TensorWrapper
from ..base import Model
from ..declarations import Option, Output, Reference, Variable
from ..registry import register


@register("RateCondensation")
class RateCondensation(Model):
    """Driving force and its slope at zero rate, trial_driving_force = f(0) and coupling = -df/d rate (0), where f
    is an output of the inner model as a function of its input `rate`."""

    model = Reference("Models")
    rate: str = Option(str)
    driving_force: str = Option(str)
    coupling = Output(Scalar)
    trial_driving_force = Output(Scalar)

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        spec = self.model.input_spec
        check_scalar(self, self.rate, spec, "rate", "input", self.model)
        check_scalar(self, self.driving_force, self.model.output_spec, "driving_force", "output", self.model)
        self.providers = self.model.providers
        others = [Variable("model", type_, name) for name, type_ in spec.items() if name != self.rate]
        if not others:
            raise self.error(f"{self.model!r} has no input besides '{self.rate}'", "model")
        return others, outputs

    def forward(self, *values: TensorWrapper) -> tuple[Scalar, Scalar]:
        state: dict[str, Any] = dict(zip(self.input_spec, values, strict=True))
        like = {"dtype": values[0].dtype, "device": values[0].device}
        state[self.rate] = Scalar.zeros(**like)
        outputs, slopes = self.model.jvp(state, {self.rate: Scalar.ones(**like)})
        return -slopes[self.driving_force], outputs[self.driving_force]


def check_scalar(owner: Model, name: str, spec: dict[str, type], option: str, role: str, inner: Model) -> None:
    """Raise unless `name` is a Scalar among the variables `spec` of `inner`."""
    if spec.get(name) is not Scalar:
        scalars = [n for n, type_ in spec.items() if type_ is Scalar]
        hint = suggestion(name, scalars) or f"; it has: {listing(scalars)}"
        raise owner.error(f"'{name}' is no Scalar {role} of {inner!r}{hint}", option)

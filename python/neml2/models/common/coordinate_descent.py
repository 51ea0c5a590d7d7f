# SPDX-License-Identifier: MIT
"""Initial guess of the rates of coupled mechanisms, one mechanism after the other."""

from __future__ import annotations

import torch

from ...errors import InvalidModel, listing
from ...types import Scalar, TensorWrapper, gt, sign, where
from ..base import Model
from ..declarations import Input, Option, Output, Reference, Variable
from ..registry import register
from .rate_condensation import check_scalar

Given = dict[str, TensorWrapper]


@register("CoordinateDescentPredictor")
class CoordinateDescentPredictor(Model):
    """Rates of m mechanisms with the rate law g and driving forces w = b - A rate, by Gauss-Seidel sweeps: of
    each mechanism in turn, w_i + A_ii g(w_i) = c_i is solved between 0 and c_i by bisection and Newton steps.

    b is `trial_driving_force` with one site axis of m mechanisms, A is `coupling` with two; without site axes
    there is one mechanism. An input of the rate law with one site axis of length m is that of each mechanism.
    """

    rate_law = Reference("Models")
    driving_force_input: str = Option(str)
    coupling = Input(Scalar)
    trial_driving_force = Input(Scalar)
    rate = Output(Scalar)
    sweeps: int = Option(int, 16, at_least=0)
    bisections: int = Option(int, 16, at_least=0)
    polish: int = Option(int, 3, at_least=0)

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        law = self.rate_law
        if list(law.output_spec.values()) != [Scalar]:
            raise self.error(f"{law!r} must have one output, a Scalar; it has: {listing(law.output_spec)}", "rate_law")
        check_scalar(self, self.driving_force_input, law.input_spec, "driving_force_input", "input", law)
        self.providers = law.providers
        self._passed = [name for name in law.input_spec if name != self.driving_force_input]
        return [*inputs, *(Variable("rate_law", law.input_spec[name], name) for name in self._passed)], outputs

    def forward(self, coupling: Scalar, trial: Scalar, *passed: TensorWrapper) -> Scalar:
        A, b = self._mechanisms(coupling, trial)
        m = len(b)
        given = [
            {name: _of_mechanism(value, i, m) for name, value in zip(self._passed, passed, strict=True)}
            for i in range(m)
        ]
        rates = [0.0 * b[i] for i in range(m)]
        for _ in range(self.sweeps if m > 1 else min(self.sweeps, 1)):  # one mechanism is solved by one sweep
            for i in range(m):
                c = b[i]
                for j in range(m):
                    c = c - A[i][j] * rates[j] if j != i else c
                rates[i] = self._rate(self._driving_force(c, A[i][i], given[i]), given[i])
        if not trial.sub_batch_ndim:
            return rates[0]
        return Scalar(torch.stack(torch.broadcast_tensors(*(r.data for r in rates)), -1), sub_batch_ndim=1)

    def _mechanisms(self, coupling: Scalar, trial: Scalar) -> tuple[list[list[Scalar]], list[Scalar]]:
        """A by rows and b, component by component."""
        axes, square = trial.sub_batch_shape, coupling.sub_batch_shape
        if square != axes * 2 or (trial.sub_batch_ndim, coupling.sub_batch_ndim) not in ((0, 0), (1, 2)):
            text = f"coupling and driving force must have site axes (m, m) and (m,), or none; got {square} and {axes}"
            raise self.error(text, "coupling", InvalidModel)
        if not axes:
            return [[coupling]], [trial]
        sites = range(axes[0])
        return [[coupling.sub_batch[i, j] for j in sites] for i in sites], [trial.sub_batch[i] for i in sites]

    def _rate(self, w: Scalar, given: Given) -> Scalar:
        (rate,) = self.rate_law.evaluate({**given, self.driving_force_input: w}).values()
        return rate

    def _driving_force(self, c: Scalar, a: Scalar, given: Given) -> Scalar:
        """The root w of w + a g(w) = c between 0 and c."""
        low, high, side = 0.0 * c, 1.0 + 0.0 * c, sign(c)
        for _ in range(self.bisections):
            t = 0.5 * (low + high)
            beyond = gt(side * (t * c + a * self._rate(t * c, given) - c), 0.0)
            low, high = where(beyond, low, t), where(beyond, t, high)
        w = 0.5 * (low + high) * c
        for _ in range(self.polish):
            name = self.driving_force_input
            one = Scalar(torch.ones_like(w.data))
            (rate,), (slope,) = (v.values() for v in self.rate_law.jvp({**given, name: w}, {name: one}))
            w = w - (w + a * rate - c) / (1 + a * slope)
        return w


def _of_mechanism(value: TensorWrapper, i: int, m: int) -> TensorWrapper:
    return value.sub_batch[i] if value.sub_batch_shape == (m,) else value

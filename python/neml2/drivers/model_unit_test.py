# SPDX-License-Identifier: MIT
"""Values and derivatives of one model."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import listing, suggestion
from ..hit import HitObject, Option, OptionFamily, Reference, register
from ..types import TensorWrapper
from .progress import Progress
from .regression import one_line
from .values import TYPES, named_values, renamed


@register("ModelUnitTest")
class ModelUnitTest(HitObject):
    """Evaluates `model` at the given inputs, all of them, and compares the outputs that are given.

    For every input x and output y the derivative of y along (1, 2, ..., n)/(n + 1), the components of x in row-major
    order, by forward-mode differentiation must agree with that by reverse mode.
    """

    SECTION = "Drivers"
    STRICT = False

    model: Any = Reference("Models")
    input_names = OptionFamily("input_{}_names", list[str], TYPES, default=())
    input_values = OptionFamily("input_{}_values", list[str], TYPES, default=())
    output_names = OptionFamily("output_{}_names", list[str], TYPES, default=())
    output_values = OptionFamily("output_{}_values", list[str], TYPES, default=())
    value_rel_tol: float = Option(float, 1e-5, at_least=0)
    value_abs_tol: float = Option(float, 1e-8, at_least=0)
    derivative_rel_tol: float = Option(float, 1e-5, at_least=0)
    derivative_abs_tol: float = Option(float, 1e-8, at_least=0)

    def setup(self) -> None:
        self.inputs = named_values(self, "input", self.input_names, self.input_values)
        self.expected = named_values(self, "output", self.output_names, self.output_values)
        spec = self.model.input_spec
        for name, value in self.inputs.items():
            option = f"input_{type(value).__name__}_names"
            self._check(name, value, spec, "input", option)
            if not value.data.is_floating_point():
                raise self.error(f"'{name}' has dtype {value.dtype}; expected a floating one", option)
        missing = [name for name in spec if name not in self.inputs]
        if missing:
            raise self.error(f"no value is given for {listing(missing)} of the model's inputs")
        for name, value in self.expected.items():
            self._check(name, value, self.model.output_spec, "output", f"output_{type(value).__name__}_names")

    @property
    def given(self) -> dict[str, TensorWrapper]:
        """Values of the inputs by variable name."""
        return self.inputs

    def _check(self, name: str, value: TensorWrapper, spec: dict[str, Any], what: str, option: str) -> None:
        if name not in spec:
            hint = renamed(self.model, name) or suggestion(name, spec) or f"; there are: {listing(spec)}"
            raise self.error(f"'{name}' is no {what} of the model{hint}", option)
        if type(value) is not spec[name]:
            text = f"'{name}' is a {spec[name].__name__} of the model, not a {type(value).__name__}"
            raise self.error(text, option)

    def run(self, progress: Progress | None = None) -> None:
        """Raises AssertionError for the first value or derivative that differs."""
        del progress
        if not self.check_values() + self.check_derivatives():
            raise AssertionError(f"{self.where()}: nothing was compared; give outputs, or a model with inputs")

    def check_values(self) -> int:
        """Compares values; returns how many."""
        with torch.no_grad():
            actual = self.model.evaluate(self.inputs)
        for name, value in self.expected.items():
            tolerance = {"rtol": self.value_rel_tol, "atol": self.value_abs_tol}
            self._compare(f"output '{name}'", actual[name].data, value.data, **tolerance)
        return len(self.expected)

    def check_derivatives(self) -> int:
        """Compares derivatives; returns how many."""
        count = 0
        for name, value in self.inputs.items():
            n = value.data.numel()
            v = torch.arange(1, n + 1, dtype=value.dtype, device=value.device).div(n + 1).reshape(value.data.shape)
            forward, reference = self._derivatives(name, v)
            for out, expected in reference.items():
                tolerance = {"rtol": self.derivative_rel_tol, "atol": self.derivative_abs_tol}
                self._compare(f"derivative of '{out}' along '{name}'", forward[out], expected, **tolerance)
                count += 1
        return count

    def _derivatives(self, name: str, v: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """The model's derivative of each output along `v`, and what it should be."""
        if isinstance(self.model, torch.nn.Module):
            return self._forward_mode(name, v), self._reverse_mode(name, v)
        _, slopes = self.model.jvp(self.inputs, {name: v})  # a compiled model: only the pairs it was compiled with
        return slopes, {out: s for out, s in self._differences(name, v).items() if out in slopes}

    def _differences(self, name: str, v: torch.Tensor) -> dict[str, torch.Tensor]:
        """Central differences, for models that autograd cannot see into."""
        x = self.inputs[name].data
        h = 1e-5 * max(float(x.abs().max()), 1e-3)
        ahead, behind = self._outputs_of(name, x + h * v), self._outputs_of(name, x - h * v)
        return {out: (ahead[out] - behind[out]) / (2 * h) for out in ahead}

    def _outputs_of(self, name: str, data: torch.Tensor) -> dict[str, torch.Tensor]:
        value = self.inputs[name]
        moved = type(value)(data, sub_batch_ndim=value.sub_batch_ndim)
        return {out: v.data for out, v in self.model.evaluate({**self.inputs, name: moved}).items()}

    def _forward_mode(self, name: str, v: torch.Tensor) -> dict[str, torch.Tensor]:
        _, slopes = torch.func.jvp(lambda x: self._outputs_of(name, x), (self.inputs[name].data,), (v,))
        return slopes

    def _reverse_mode(self, name: str, v: torch.Tensor) -> dict[str, torch.Tensor]:
        """J v, as the derivative of (w J) . v with respect to w, which is linear in w."""
        found = {}
        for out in self.model.output_spec:
            x = self.inputs[name].data.detach().clone().requires_grad_()
            y = self._outputs_of(name, x)[out]
            w = torch.zeros_like(y, requires_grad=True)
            found[out] = torch.zeros_like(y)
            if not y.requires_grad:
                continue
            (pulled,) = torch.autograd.grad(y, x, w, create_graph=True, allow_unused=True)
            if pulled is None or not pulled.requires_grad:
                continue
            (slope,) = torch.autograd.grad(pulled, w, v, allow_unused=True)
            if slope is not None:
                found[out] = slope
        return found

    def _compare(self, what: str, actual: torch.Tensor, expected: torch.Tensor, rtol: float, atol: float) -> None:
        try:
            torch.testing.assert_close(actual.detach().cpu(), expected.detach().cpu(), rtol=rtol, atol=atol)
        except AssertionError as error:
            raise AssertionError(f"{self.where()}: {what}: {one_line(error)}") from None

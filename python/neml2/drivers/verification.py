# SPDX-License-Identifier: MIT
"""Comparison of a transient run with independent data."""

from __future__ import annotations

from typing import Any

import torch

from ..hit import HitObject, Option, OptionFamily, Reference, register
from ..types import TensorWrapper
from .progress import Progress
from .regression import one_line
from .transient import TransientDriver
from .values import named_values

TYPES = ("Scalar", "SR2", "Vec", "WR2")


@register("Verification")
class Verification(HitObject):
    """Results like `output.stress` or `input.x` must agree with reference values whose leading axis counts the
    selected steps (all of them unless `time_steps` lists some). With exactly one selected step the whole value is the
    one at that step. A step a result has no value at passes if the reference is zero there."""

    SECTION = "Drivers"

    driver: Any = Reference("Drivers")
    names = OptionFamily("{}_names", list[str], TYPES, default=())
    values = OptionFamily("{}_values", list[str], TYPES, default=())
    rtol: float = Option(float, 1e-5, at_least=0)
    atol: float = Option(float, 1e-8, at_least=0)
    time_steps: list[int] = Option(list[int], default=())

    def setup(self) -> None:
        if not isinstance(self.driver, TransientDriver):
            raise self.error(f"a {type(self.driver).__name__} is no TransientDriver", "driver")
        self.expected = named_values(self, "", self.names, self.values)
        if not self.expected:
            raise self.error("nothing to verify; give at least one of " + ", ".join(f"{T}_names" for T in TYPES))
        for name, value in self.expected.items():
            kind, _, variable = name.partition(".")
            if kind not in ("input", "output") or not variable:
                text = f"'{name}' names no result; expected 'output.<variable>' or 'input.<variable>'"
                raise self.error(text, f"{type(value).__name__}_names")
        if len(set(self.time_steps)) != len(self.time_steps):
            raise self.error("a step is listed twice", "time_steps")
        for step in self.time_steps:
            if not 0 <= step < self.driver.steps:
                text = f"the driver has no step {step}; expected 0 to {self.driver.steps - 1}"
                raise self.error(text, "time_steps")

    def run(self, progress: Progress | None = None, eager: bool = False) -> None:
        """Run `driver`, which `eager` is for, and compare. Raises AssertionError for the first value that differs."""
        result = self.driver.run(progress, eager=eager)
        for name, value in self.expected.items():
            self._check(name, value, self._history(name, result))

    def _history(self, name: str, result: dict[str, torch.Tensor]) -> dict[int, torch.Tensor]:
        kind, _, variable = name.partition(".")
        found: dict[int, torch.Tensor] = {}
        for key, value in result.items():
            head, step, tail = key.split(".", 2)
            if head == kind and tail == variable:
                found[int(step)] = value.detach().cpu()
        if not found:
            raise AssertionError(f"{self.where()}: the result has no '{name}'")
        return found

    def _check(self, name: str, value: TensorWrapper, history: dict[int, torch.Tensor]) -> None:
        selected = [s for s in range(max(history) + 1) if not self.time_steps or s in self.time_steps]
        if not selected:
            raise AssertionError(f"{self.where()}: '{name}' has none of the steps {list(self.time_steps)}")
        rows = value.data.detach().cpu()
        if len(selected) > 1 and (value.batch_ndim == 0 or rows.shape[0] < len(selected)):
            length = rows.shape[0] if value.batch_ndim else 0
            text = f"the reference has {length} values for {len(selected)} steps"
            raise AssertionError(f"{self.where()}: '{name}': {text}")
        for j, step in enumerate(selected):
            expected = (rows if len(selected) == 1 else rows[j]).squeeze()
            if step not in history:
                if not torch.allclose(expected, torch.zeros_like(expected)):
                    text = f"'{name}' has no value at step {step}, the reference is not zero there"
                    raise AssertionError(f"{self.where()}: {text}")
                continue
            try:
                torch.testing.assert_close(history[step].squeeze(), expected, rtol=self.rtol, atol=self.atol)
            except AssertionError as error:
                raise AssertionError(f"{self.where()}: '{name}' at step {step}: {one_line(error)}") from None

# SPDX-License-Identifier: MIT
"""Loaded models as native functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neml2.compiler.graph.program import Program
from neml2.native.function import NumericalFunction


class ModelFunction(NumericalFunction):
    """A loaded model; see `jit`."""

    def __init__(self, model: Any, sub_batch: Mapping[str, tuple[int, ...]], name: str, dtype: str) -> None:
        self.fn, self.model, self._sub_batch = model, model, dict(sub_batch)
        inputs = {n: (*self._sub_batch.get(n, ()), *t.BASE_SHAPE) for n, t in model.input_spec.items()}
        self._types = dict(model.input_spec)
        self._describe(name, inputs, list(model.output_spec), dtype)

    def _assemble(self) -> Program:
        import torch

        from neml2.compiler.backends.native.lower import program_of
        from neml2.compiler.plan.layout import Request
        from neml2.compiler.plan.segments import capture_model

        captured = capture_model(self.model, Request(sub_batch=self._sub_batch), getattr(torch, self.dtype))
        program = program_of(captured)
        program.name = self.name
        for a in program.inputs[len(program.inputs) - program.parameters :]:  # those with batch axes of their own
            value = captured.parameters[a.name].value
            self._fixed[a.name] = value.cpu().to(getattr(torch, self.dtype)).numpy()
        return program


def jit(
    model: Any,
    *,
    sub_batch: Mapping[str, tuple[int, ...]] | None = None,
    name: str | None = None,
    dtype: str = "float64",
) -> NumericalFunction:
    """A model as a native function: its inputs and outputs by their names, its parameters as the constants they are
    now. Implicit updates are solved inside.

    sub_batch: sub-batch shapes of inputs that have any. Raises TypeError for what is no model of neml2.models.
    """
    from neml2.models import Model

    if not isinstance(model, Model):
        raise TypeError(f"expected a loaded model, not {type(model).__name__}; wrap functions in a NumericalFunction")
    return ModelFunction(model, sub_batch or {}, name or model.name or type(model).__name__, dtype)

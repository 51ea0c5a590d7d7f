# SPDX-License-Identifier: MIT
"""Compiled models under PyTorch's transformations; see neml2.torch_operators."""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import torch
from torch import Tensor

from ..torch_operators import Compiled
from . import FatalError, Model

_known: weakref.WeakKeyDictionary[Model, CompiledModel] = weakref.WeakKeyDictionary()


class CompiledModel(Compiled):
    """Inputs and promoted parameters are arguments; parameters that are not given are the model's own."""

    error = FatalError

    def __init__(self, model: Model) -> None:
        arguments = {**model.input_base_shapes, **model.parameter_base_shapes}
        remedy = "compile the model with -d {}:{}"
        super().__init__(model.name, arguments, model.output_base_shapes, model.derivative_pairs, remedy)
        self._model = weakref.ref(model)

    def owner(self) -> Model:
        model = self._model()
        if model is None:
            raise RuntimeError(f"the compiled model '{self.name}' of this graph is gone; keep it as long as the graph")
        return model

    def forward(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.owner().forward(values)

    def jvp(self, values: dict[str, Tensor], tangents: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.owner().jvp(values, tangents)[1]

    def vjp(self, values: dict[str, Tensor], cotangents: dict[str, Tensor], wanted: list[str]) -> dict[str, Tensor]:
        like = {name: values[name] for name in wanted}
        found = {name: torch.empty(v.shape, dtype=v.dtype, device=v.device) for name, v in like.items()}
        self.owner().vjp_into(values, cotangents, {}, found)
        return found

    def rest(self, names: frozenset[str]) -> torch.Size:
        shapes = self.owner().parameter_base_shapes
        own = {n: v.shape for n, v in self.owner().named_parameters().items() if n not in names}
        return torch.broadcast_shapes(*(shape[: len(shape) - len(shapes[n])] for n, shape in own.items()))


def compiled(model: Model) -> CompiledModel:
    """What operators know a model as; the same as long as it lives."""
    found = _known.get(model)
    if found is None:
        found = _known.setdefault(model, CompiledModel(model))
    return found


def forward(model: Model, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of a model, which know their derivatives by the inputs, and by the promoted parameters that require
    gradients or are among the inputs."""
    values = dict(inputs)
    if torch.is_grad_enabled():
        for name, value in model.named_parameters().items():
            if value.requires_grad:
                values.setdefault(name, value)
    return compiled(model)(values)

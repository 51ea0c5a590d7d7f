# SPDX-License-Identifier: MIT
"""Gradients of a scalar function of other models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from ...errors import InvalidModel, listing, suggestion
from ...types import Scalar, TensorWrapper
from ..base import Model
from ..declarations import Option, Reference, Variable
from ..registry import register


@register("Normality")
class Normality(Model):
    """Gradient of a function, to_i = d function / d from_i, for one Scalar output of the inner model and some of
    its inputs. The inner model may be any explicit model."""

    model = Reference("Models")
    function: str = Option(str)
    from_: list[str] = Option(list[str])
    to_: list[str] = Option(list[str])

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        inner = self._modules.pop("model")
        self._inner_name = inner.name if inner.name.isidentifier() and not hasattr(self, inner.name) else "_inner"
        self.add_module(self._inner_name, inner)
        self._check(inner)
        self.providers = inner.providers
        inputs = [Variable(name, type_, name) for name, type_ in inner.input_spec.items()]
        outputs = [Variable("to", inner.input_spec[f], t) for f, t in zip(self.from_, self.to_, strict=True)]
        return inputs, outputs

    def _check(self, inner: Model) -> None:
        if inner.output_spec.get(self.function) is not Scalar:
            scalars = [name for name, type_ in inner.output_spec.items() if type_ is Scalar]
            text = f"'{self.function}' is no Scalar output of {inner!r}; it has: {listing(scalars)}"
            raise self.error(text, "function")
        for name in self.from_:
            if name not in inner.input_spec:
                hint = suggestion(name, inner.input_spec) or f"; it has: {listing(inner.input_spec)}"
                raise self.error(f"'{name}' is no input of {inner!r}{hint}", "from")
        if len(self.from_) != len(self.to_):
            raise self.error(f"{len(self.to_)} names for {len(self.from_)} gradients; they must be equally many", "to")
        for leaf in leaves(inner):
            if hasattr(leaf, "equation_system"):
                text = f"{leaf!r} solves a system of equations; Normality differentiates explicit models only"
                raise TypeError(f"{self.where('model')}: {text}")

    @property
    def inner(self) -> Model:
        return self._modules[self._inner_name]  # type: ignore[return-value]

    def evaluate(self, state: Mapping[str, TensorWrapper]) -> dict[str, TensorWrapper]:
        values = {name: state[name] for name in self.input_spec}
        function, pullback = self._differentiate(values)
        batch, sites = function.data.shape, function.sub_batch_ndim
        if any(values[name].data.shape[: values[name].batch_ndim] != batch for name in self.from_):
            # A value shared by several points would collect the sum over them: give each point its own.
            values.update({name: _expanded(values[name], batch, sites) for name in self.from_})
            function, pullback = self._differentiate(values)
            if function.data.shape != batch:
                text = f"makes of each value of {listing(self.from_)} a value for each of {batch[-1]} sites"
                raise self.error(f"'{self.function}' {text}; expected one value", "function", InvalidModel)
        gradients = pullback(torch.ones_like(function.data))
        return {
            to: type(values[name])(gradient, sub_batch_ndim=sites)
            for to, name, gradient in zip(self.to_, self.from_, gradients, strict=True)
        }

    def _differentiate(self, values: dict[str, TensorWrapper]) -> tuple:
        sites = [0]

        def function(*data: torch.Tensor) -> torch.Tensor:
            moved = {
                name: type(values[name])(x, sub_batch_ndim=values[name].sub_batch_ndim)
                for name, x in zip(self.from_, data, strict=True)
            }
            value = self.inner.evaluate({**values, **moved})[self.function]
            sites[0] = value.sub_batch_ndim
            return value.data

        value, pullback = torch.func.vjp(function, *(values[name].data for name in self.from_))
        return Scalar(value, sub_batch_ndim=sites[0]), pullback


def _expanded(value: TensorWrapper, batch: torch.Size, sites: int) -> TensorWrapper:
    """`value` for every point of a batch whose last `sites` axes are sub-batch."""
    base = len(value.BASE_SHAPE)
    shape = list(value.data.shape)
    split = len(shape) - base - value.sub_batch_ndim
    if split:  # new site axes go between the dynamic and the sub-batch axes
        shape[split:split] = [1] * (sites - value.sub_batch_ndim)
    data = value.data.reshape(shape).expand(*batch, *shape[len(shape) - base :])
    return type(value)(data, sub_batch_ndim=sites)


def leaves(model: Model) -> Iterator[Model]:
    """The models a composition is made of, or the model itself."""
    children = getattr(model, "children_in_order", None)
    if children is None:
        yield model
    else:
        for child in children:
            yield from leaves(child)

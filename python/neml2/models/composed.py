# SPDX-License-Identifier: MIT
"""Several models wired through equal variable names."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..errors import InvalidModel, SuspiciousReference, suggestion
from ..types import TensorWrapper
from .base import Model
from .declarations import Option, Reference
from .registry import register


@register("ComposedModel")
class ComposedModel(Model):
    """Evaluates its children one after the other, y = f_n(... f_2(f_1(x))), each output being an input of the
    children after it.

    Inputs are the variables some child reads before any child provides them. Outputs are the provided
    variables no later child reads, and `additional_outputs`. Models that provide promoted parameters join
    by themselves.

    Attributes:
        children_in_order: the children in the order they run.
    """

    models = Reference("Models", many=True, unique=True)
    additional_outputs = Option(list[str], default=(), unique=True)

    def _configure(self, name: str, values: dict[str, Any], source: Any, block: Any) -> None:
        listed = values.pop("models")
        super()._configure(name, {**values, "models": ()}, source, block)
        del self.models
        self._wire(with_providers(listed))

    def _wire(self, listed: list[Model]) -> None:
        try:
            self.children_in_order = in_order(listed)
        except InvalidModel as error:
            raise self.error(error.text, "models", InvalidModel) from None
        for index, child in enumerate(self.children_in_order):
            if isinstance(child, Model):  # a compiled one keeps its parameters to itself
                self.add_child(child, child.name, f"_child_{index}")
        self._collect_variables()

    def _collect_variables(self) -> None:
        provided: dict[str, type] = {}
        unread: dict[str, None] = {}
        for child in self.children_in_order:
            for name, type_ in child.input_spec.items():
                known = provided.get(name) or self.input_spec.setdefault(name, type_)
                if known is not type_:
                    text = f"'{name}' is a {known.__name__}, but {child!r} takes a {type_.__name__}"
                    raise self.error(text, "models", InvalidModel)
                unread.pop(name, None)
            for name, type_ in child.output_spec.items():
                provided[name] = type_
                unread.pop(name, None)
                unread[name] = None
        extra = [name for name in self.additional_outputs if name in provided]
        for name in self.additional_outputs:
            if name not in provided:
                place = self.where("additional_outputs")
                text = f"{place}: no model provides '{name}', so it is left out{suggestion(name, provided)}"
                warnings.warn(SuspiciousReference(text), stacklevel=2)
        self.output_spec.update({name: provided[name] for name in [*unread, *extra]})

    def evaluate(self, state: Mapping[str, TensorWrapper]) -> dict[str, TensorWrapper]:
        values = dict(state)
        for child in self.children_in_order:
            values.update(child.evaluate(values))
        return {name: values[name] for name in self.output_spec}

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}; {len(self.children_in_order)} models)"


def with_providers(listed: Sequence[Model]) -> list[Model]:
    """The listed models, each once, and after them the providers of their promoted parameters,
    transitively."""
    found = list(dict.fromkeys(listed))
    for model in found:
        found += [provider for provider in model.providers if provider not in found]
    return found


def in_order(models: Sequence[Model]) -> list[Model]:
    """Models so that each runs after those it reads from; those that are ready first, in listed order, run
    first.

    Raises InvalidModel where two models of equal priority provide a variable, or models depend on each
    other in a circle.
    """
    providers = _providers(models)
    before: list[set[int]] = [set() for _ in models]
    for index, model in enumerate(models):
        for name in model.input_spec:
            chain = providers.get(name, [])
            if index in chain:
                chain = chain[: chain.index(index)]
            before[index].update(chain)
    for chain in providers.values():
        for earlier, later in pairwise(chain):
            before[later].add(earlier)
    waiting = [set(names) for names in before]
    queue = deque(i for i, names in enumerate(waiting) if not names)
    order: list[int] = []
    while queue:
        done = queue.popleft()
        order.append(done)
        for index, names in enumerate(waiting):
            if done in names:
                names.discard(done)
                if not names:
                    queue.append(index)
    if len(order) < len(models):
        raise InvalidModel(_circle(models, before, set(range(len(models))) - set(order)))
    return [models[i] for i in order]


def _providers(models: Sequence[Model]) -> dict[str, list[int]]:
    """For each variable the models that provide it, in ascending priority."""
    found: dict[str, list[int]] = {}
    for index, model in enumerate(models):
        for name in model.output_spec:
            for other in found.setdefault(name, []):
                if models[other].priority == model.priority:
                    text = f"'{name}' is provided twice: by {_label(models[other])} and by {_label(model)}"
                    raise InvalidModel(text)
            found[name].append(index)
    for chain in found.values():
        chain.sort(key=lambda i: models[i].priority)
    return found


def _circle(models: Sequence[Model], before: list[set[int]], stuck: set[int]) -> str:
    """One circle among the models that could not be ordered, in words."""
    path = [min(stuck)]
    while True:
        step = min(before[path[-1]] & stuck)
        if step in path:
            circle = [*path[path.index(step) :], step][::-1]
            break
        path.append(step)
    parts = [_label(models[circle[0]])]
    for left, right in pairwise(circle):
        shared = [name for name in models[left].output_spec if name in models[right].input_spec]
        parts.append(f"-[{', '.join(shared)}]-> {_label(models[right])}")
    return "models depend on each other in a circle: " + " ".join(parts)


def _label(model: Model) -> str:
    return f"'{model.name}'" if model.name else type(model).__name__

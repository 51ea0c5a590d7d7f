# SPDX-License-Identifier: MIT
"""Initial guesses of an implicit update from the history of its unknowns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..errors import listing, suggestion
from ..models import Model, Option, OptionFamily, Variable, register
from ..types import MRP, R2, SR2, Scalar, TensorWrapper, where
from ..types import abs as absolute

TYPES = (SR2, Scalar, MRP, R2)


class Extrapolation(Model):
    """What predictors share: the unknowns, and which variables replace their history in a cold start.

    A point is warm when its last step had a length, |t~1 - t~2| > eps. Times that are NaN make no cold start.
    """

    unknowns = OptionFamily("unknowns_{}", list[str], [T.__name__ for T in TYPES], default=())
    cold: list[str] = Option(list[str], default=())
    time: str = Option(str, "t")

    def variables(self, inputs: list[Variable], outputs: list[Variable]) -> tuple[list[Variable], list[Variable]]:
        spec: dict[str, Any] = {}
        for T in TYPES:
            for name in self.unknowns[T.__name__]:
                if name in spec:
                    raise self.error(f"'{name}' is listed twice", f"unknowns_{T.__name__}")
                spec[name] = T
        self.cold_sources = self._cold_sources(spec)
        found: dict[str, Any] = {}
        for name, type_ in self._inputs(spec):
            if found.setdefault(name, type_) is not type_:
                text = f"'{name}' cannot be both a {found[name].__name__} and a {type_.__name__}"
                raise self.error(text, "cold")
        return (
            [Variable(name, type_, name) for name, type_ in found.items()],
            [Variable(name, type_, name) for name, type_ in spec.items()],
        )

    def _inputs(self, spec: Mapping[str, Any]) -> list[tuple[str, Any]]:
        raise NotImplementedError

    def _times(self) -> list[tuple[str, Any]]:
        return [(self.time, Scalar), (f"{self.time}~1", Scalar), (f"{self.time}~2", Scalar)]

    def _old(self, spec: Mapping[str, Any], steps: int) -> list[tuple[str, Any]]:
        return [(f"{name}~{steps}", type_) for name, type_ in spec.items()]

    def _cold(self, spec: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return [(source, spec[name]) for name, source in self.cold_sources.items()]

    def _cold_sources(self, spec: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for pair in self.cold:
            name, colon, source = pair.partition(":")
            if not (name and colon and source) or ":" in source:
                raise self.error(f"'{pair}' is no pair; expected 'unknown:variable'", "cold")
            if name not in spec:
                hint = suggestion(name, spec) or f"; these are: {listing(spec)}"
                raise self.error(f"'{name}' is not among the unknowns{hint}", "cold")
            if name in found:
                raise self.error(f"'{name}' is given twice", "cold")
            found[name] = source
        return found

    def _warm(self, state: Mapping[str, TensorWrapper]) -> tuple[Any, Any]:
        """Which points are warm, and the length of the last step."""
        dt = state[f"{self.time}~1"] - state[f"{self.time}~2"]
        return ~(absolute(dt).data <= torch.finfo(dt.dtype).eps), dt


@register("ConstantExtrapolationPredictor")
class ConstantExtrapolationPredictor(Extrapolation):
    """u = u~1 for every listed unknown; with `cold = 'u:x'` the variable x in a cold start."""

    def _inputs(self, spec: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return [*self._old(spec, 1), *((self._times() + self._cold(spec)) if self.cold else [])]

    def evaluate(self, state: Mapping[str, TensorWrapper]) -> dict[str, TensorWrapper]:
        if not self.cold:
            return {name: state[f"{name}~1"] for name in self.output_spec}
        warm, _ = self._warm(state)
        return {
            name: select(warm, state[f"{name}~1"], state[self.cold_sources[name]])
            if name in self.cold_sources
            else state[f"{name}~1"]
            for name in self.output_spec
        }


@register("LinearExtrapolationPredictor")
class LinearExtrapolationPredictor(Extrapolation):
    """u = u~1 + (u~1 - u~2) (t - t~1)/(t~1 - t~2); in a cold start u~1, or x with `cold = 'u:x'`."""

    def _inputs(self, spec: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return [*self._old(spec, 1), *self._times(), *self._old(spec, 2), *self._cold(spec)]

    def evaluate(self, state: Mapping[str, TensorWrapper]) -> dict[str, TensorWrapper]:
        warm, dt = self._warm(state)
        safe = Scalar(torch.where(warm, dt.data, 1.0), sub_batch_ndim=dt.sub_batch_ndim)
        ratio = (state[self.time] - state[f"{self.time}~1"]) / safe
        found = {}
        for name in self.output_spec:
            old, older = state[f"{name}~1"], state[f"{name}~2"]
            cold = state[self.cold_sources[name]] if name in self.cold_sources else old
            found[name] = select(warm, old + (old - older) * ratio, cold)
        return found


def select(warm: torch.Tensor, hot: TensorWrapper, cold: TensorWrapper) -> TensorWrapper:
    """`hot` at the warm points, `cold` elsewhere."""
    return where(Scalar(warm), hot, cold)

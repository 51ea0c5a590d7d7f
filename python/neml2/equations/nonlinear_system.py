# SPDX-License-Identifier: MIT
"""A model read as residual(unknowns, givens)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError, listing, suggestion
from ..hit import HitObject, Option, Reference, register
from ..models import Model

STRUCTURES = ("dense", "block")


class UnknownVariable(InputError, KeyError):
    """A system names a variable its model does not have."""


@dataclass(frozen=True)
class Group:
    """Unknowns that are stored and solved for together, and the residuals paired with them."""

    unknowns: tuple[str, ...]
    residuals: tuple[str, ...]
    structure: str = "dense"


@register("NonlinearSystem")
class NonlinearSystem(HitObject):
    """Finds the `unknowns`, inputs of `model`, for which its outputs `residuals` vanish.

    Every other input of the model is given. `unknowns = 'a b; c'` are two groups; residuals pair with unknowns
    position by position and are called `<unknown>_residual` unless they are named. `structure`: `dense` or
    `block`, one per group.

    Once built, `unknowns`, `residuals` and `givens` are flat lists of names, `groups` keeps the grouping.
    """

    SECTION = "EquationSystems"

    model: Model = Reference("Models")
    unknowns: list[str] = Option(list[list[str]])
    residuals: list[str] = Option(list[list[str]], default=())
    structure: list[str] = Option(list[str], default=())

    def setup(self) -> None:
        rows = _rows(self.unknowns)
        if not rows:
            raise self.error("names no unknown", "unknowns")
        residuals = _rows(self.residuals) or [[f"{name}_residual" for name in row] for row in rows]
        if [len(row) for row in residuals] != [len(row) for row in rows]:
            counts = f"{_shape(residuals)} residuals for {_shape(rows)} unknowns"
            text = f"{counts}; they must pair one to one, group by group"
            raise self.error(text, "residuals")
        self.groups = [
            Group(tuple(u), tuple(r), s) for u, r, s in zip(rows, residuals, self._structures(rows), strict=True)
        ]
        self.unknowns = [name for row in rows for name in row]
        self.residuals = [name for row in residuals for name in row]
        self._check_names()
        self._check_sizes()
        self.unknown_spec = {name: self.model.input_spec[name] for name in self.unknowns}
        self.givens = [name for name in self.model.input_spec if name not in self.unknowns]

    def _structures(self, rows: list[list[str]]) -> list[str]:
        words = [word.lower() for word in self.structure] or ["dense"] * len(rows)
        for word in words:
            if word not in STRUCTURES:
                text = f"'{word}' is not one of {listing(STRUCTURES)}{suggestion(word, STRUCTURES)}"
                raise self.error(text, "structure")
        if len(words) != len(rows):
            raise self.error(f"{len(words)} words for {len(rows)} groups of unknowns", "structure")
        return words

    def _check_names(self) -> None:
        inputs, outputs = self.model.input_spec, self.model.output_spec
        for option, names in (("unknowns", self.unknowns), ("residuals", self.residuals)):
            for name in names:
                if names.count(name) > 1:
                    raise self.error(f"'{name}' is named twice", option)
        for name in self.unknowns:
            if name not in inputs:
                hint = suggestion(name, inputs) or f"; its inputs are: {listing(inputs)}"
                text = f"unknown '{name}' is no input of model '{self.model.name}'{hint}"
                raise self.error(text, "unknowns", UnknownVariable)
        for unknown, name in zip(self.unknowns, self.residuals, strict=True):
            if name not in outputs:
                hint = suggestion(name, outputs) or f"; its outputs are: {listing(outputs)}"
                text = f"residual '{name}' of '{unknown}' is no output of model '{self.model.name}'{hint}"
                raise self.error(text, "residuals", UnknownVariable)

    def _check_sizes(self) -> None:
        for unknown, residual in zip(self.unknowns, self.residuals, strict=True):
            left, right = self.model.input_spec[unknown], self.model.output_spec[residual]
            if math.prod(left.BASE_SHAPE) != math.prod(right.BASE_SHAPE):
                text = (
                    f"'{unknown}' is a {left.__name__}, its residual '{residual}' a {right.__name__}: "
                    "they must have equally many components"
                )
                raise self.error(text, "residuals")


def _rows(groups: object) -> list[list[str]]:
    rows = [[row] if isinstance(row, str) else list(row) for row in groups]  # type: ignore[attr-defined]
    return [row for row in rows if row]


def _shape(rows: list[list[str]]) -> str:
    return " + ".join(str(len(row)) for row in rows)

# SPDX-License-Identifier: MIT
"""Partition: a model becomes a straight sequence of pieces over single-assignment variables.

A piece is a model to evaluate, or an implicit update to solve. Compositions that hold an implicit update are taken
apart; a name means something only within the composition that binds it, so every binding is a variable of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neml2.models import ComposedModel

if TYPE_CHECKING:
    from neml2.compiler.aten import Nodes
    from neml2.models import Model


@dataclass(eq=False)
class Variable:
    """One value of the computation; two bindings of the same name are two variables."""

    name: str
    type: Any
    shape: tuple[int, ...] | None = None  # (*sub_batch, *base), once known
    sub_batch_ndim: int = 0
    offset: int | None = None  # in the state, for a variable that outlives its segment
    nodes: Nodes | None = None  # what it is in the segment being captured
    dependencies: frozenset[str] = frozenset()  # inputs and stored parameters its value depends on
    axes: frozenset[tuple[int, int]] = frozenset()  # ranges of the state, before its segment, whose batch axes it has

    @property
    def size(self) -> int:
        from math import prod

        assert self.shape is not None
        return prod(self.shape)

    @property
    def range(self) -> tuple[int, int]:
        assert self.offset is not None
        return (self.offset, self.size)

    @property
    def sub_batch_shape(self) -> tuple[int, ...]:
        assert self.shape is not None
        return self.shape[: self.sub_batch_ndim]

    @property
    def base_shape(self) -> tuple[int, ...]:
        assert self.shape is not None
        return self.shape[self.sub_batch_ndim :]


@dataclass
class Evaluation:
    """Evaluate `model`."""

    model: Model
    inputs: dict[str, Variable]
    outputs: dict[str, Variable]


@dataclass
class Copy:
    """Start an unknown from a value that is not to be overwritten."""

    source: Variable
    target: Variable


@dataclass
class Solve:
    """Solve the nonlinear system of an implicit update; `guesses` hold the unknowns' first iterate."""

    update: Any
    givens: dict[str, Variable]
    guesses: dict[str, Variable]
    unknowns: dict[str, Variable]


Piece = Evaluation | Copy | Solve


@dataclass
class Sequence:
    """The whole model: its interface and its pieces in execution order."""

    inputs: dict[str, Variable]
    outputs: dict[str, Variable]
    pieces: list[Piece] = field(default_factory=list)


def is_update(model: Any) -> bool:
    """Whether `model` is an implicit update (it brings a system and a solver)."""
    return hasattr(model, "equation_system") and hasattr(model, "solver")


def holds_update(model: Any) -> bool:
    """Whether an implicit update is found in `model`."""
    return is_update(model) or (
        isinstance(model, ComposedModel) and any(holds_update(child) for child in model.children_in_order)
    )


def linearise(model: Model) -> Sequence:
    """Take `model` apart into pieces."""
    inputs = {name: Variable(name, type_) for name, type_ in model.input_spec.items()}
    sequence = Sequence(inputs, {})
    outputs = _walk(model, inputs, sequence.pieces)
    sequence.outputs = {name: outputs[name] for name in model.output_spec}
    return sequence


def _walk(model: Any, scope: Mapping[str, Variable], pieces: list[Piece]) -> dict[str, Variable]:
    if is_update(model):
        return _walk_update(model, scope, pieces)
    if not holds_update(model):
        outputs = {name: Variable(name, type_) for name, type_ in model.output_spec.items()}
        pieces.append(Evaluation(model, {name: scope[name] for name in model.input_spec}, outputs))
        return outputs
    local = dict(scope)
    for child in model.children_in_order:
        local.update(_walk(child, local, pieces))
    return {name: local[name] for name in model.output_spec}


def _walk_update(update: Any, scope: Mapping[str, Variable], pieces: list[Piece]) -> dict[str, Variable]:
    predicted = _walk(update.predictor, scope, pieces) if update.predictor is not None else {}
    system = update.equation_system
    spec = system.model.input_spec
    guesses, unknowns = {}, {}
    for name in system.unknowns:
        guess = Variable(name, spec[name])
        pieces.append(Copy(predicted[name] if name in predicted else scope[name], guess))
        guesses[name] = guess
        unknowns[name] = Variable(name, spec[name])
    givens = {name: scope[name] for name in system.givens}
    if getattr(update, "max_substepping_level", 0):  # a step is cut between old and current values
        lags = [name for name in update.input_spec if name.endswith("~1") and name[:-2] in system.givens]
        givens.update({name: scope[name] for name in lags})
    pieces.append(Solve(update, givens, guesses, unknowns))
    return unknowns


def segments(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Neighbouring evaluations together, each solve alone."""
    group: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Solve):
            if group:
                yield group
            yield [piece]
            group = []
        else:
            group.append(piece)
    if group:
        yield group


def reads(piece: Piece) -> list[Variable]:
    """Variables a piece needs from before."""
    if isinstance(piece, Copy):
        return [piece.source]
    if isinstance(piece, Evaluation):
        return list(piece.inputs.values())
    return [*piece.givens.values(), *piece.guesses.values()]


def writes(piece: Piece) -> list[Variable]:
    """Variables a piece defines."""
    if isinstance(piece, Copy):
        return [piece.target]
    return list((piece.outputs if isinstance(piece, Evaluation) else piece.unknowns).values())

# SPDX-License-Identifier: MIT
"""Layout: which variables live in the state, and where those of the interface do.

What segments hand to one another follows behind the interface as its shapes become known (segments.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from neml2.compiler.frontend import partition
from neml2.compiler.frontend.partition import Sequence, Solve, Variable
from neml2.compiler.frontend.sites import FEWEST

if TYPE_CHECKING:
    import torch

    from neml2.models import Model


@dataclass
class Request:
    """What to build: names of promoted parameters, (output, input) pairs to differentiate, and the sub-batch shapes
    that the input file declares for variables."""

    promoted: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    sub_batch: dict[str, tuple[int, ...]] = field(default_factory=dict)
    along: bool = False  # capture sites once for all of them


@dataclass(frozen=True, eq=False)
class Value:
    """A variable of which everything is known. An unknown has the place of its first guess, but is another value."""

    name: str
    type: Any
    shape: tuple[int, ...]  # (*sub_batch, *base)
    sub_batch_ndim: int = 0
    offset: int | None = None  # in the state; None where it does not outlive its segment
    dependencies: frozenset[str] = frozenset()  # inputs and stored parameters that it depends on
    along: bool = False  # whether the first axis has sites that nodes stand for all at once

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def components(self) -> range:
        assert self.offset is not None
        return range(self.offset, self.offset + self.size)

    @property
    def range(self) -> tuple[int, int]:
        assert self.offset is not None
        return (self.offset, self.size)

    @property
    def sub_batch_shape(self) -> tuple[int, ...]:
        return self.shape[: self.sub_batch_ndim]

    @property
    def base_shape(self) -> tuple[int, ...]:
        return self.shape[self.sub_batch_ndim :]


@dataclass(frozen=True, eq=False, kw_only=True)
class Parameter(Value):
    """A parameter of the model; without a place, a constant of the graphs. `value`: (*batch, *sub_batch, *base)."""

    value: torch.Tensor
    batch_shape: tuple[int, ...]
    promoted: bool


@dataclass(frozen=True)
class Layout:
    """The interface in its places [0, size) of the state, and all variables that get one."""

    inputs: dict[str, Value]
    parameters: dict[str, Parameter]  # by qualified name
    stored: frozenset[Variable]
    size: int


def lay_out(model: Model, sequence: Sequence, request: Request) -> Layout:
    """Places for the inputs and the stored parameters of `model`, one after the other."""
    size = 0
    inputs: dict[str, Value] = {}
    for name, variable in sequence.inputs.items():
        sub = request.sub_batch.get(name) or request.sub_batch.get(name.split("~")[0], ())
        shape = (*sub, *variable.type.BASE_SHAPE)
        along = request.along and bool(sub) and sub[0] >= FEWEST
        inputs[name] = Value(name, variable.type, shape, len(sub), size, frozenset((name,)), along)
        size += inputs[name].size
    parameters: dict[str, Parameter] = {}
    slots = _slots(model)
    like_sites = {v.shape[0] + k for v in inputs.values() if v.along for k in (-1, 0, 1)}  # cells, and their faces
    for name, value in model.named_parameters():
        parameters[name] = _parameter(name, value, slots[id(value)], name in request.promoted, size, like_sites)
        if parameters[name].offset is not None:
            size += parameters[name].size
    return Layout(inputs, parameters, _outliving(sequence), size)


def _slots(model: Model) -> dict[int, Any]:
    """What is declared of each parameter, by the identity of its tensor."""
    slots = {}
    for module in model.modules():
        for slot in getattr(module, "parameter_slots", []):
            value = module._parameters.get(slot.name)
            if value is not None:
                slots[id(value)] = slot
    return slots


def _parameter(
    name: str, value: torch.Tensor, slot: Any, promoted: bool, offset: int, like_sites: set[int]
) -> Parameter:
    """A parameter; it is stored at `offset` if it is promoted or varies over the batch."""
    lead = value.ndim - slot.sub_batch_ndim - len(slot.type.BASE_SHAPE)
    batch = tuple(value.shape[:lead])
    stored = promoted or bool(batch)
    shape = tuple(value.shape[lead:])
    return Parameter(
        name,
        slot.type,
        shape,
        slot.sub_batch_ndim,
        offset if stored else None,
        frozenset((name,)) if stored else frozenset(),
        bool(slot.sub_batch_ndim) and shape[0] in like_sites,
        value=value.detach(),
        batch_shape=batch,
        promoted=promoted,
    )


def _outliving(sequence: Sequence) -> frozenset[Variable]:
    """The variables that live in the state: the interface, unknowns, and what crosses segments."""
    stored = {*sequence.inputs.values(), *sequence.outputs.values()}
    for group in partition.segments(sequence.pieces):
        local = {v for piece in group for v in partition.writes(piece)}
        for piece in group:
            stored.update(v for v in partition.reads(piece) if v not in local)
            if isinstance(piece, Solve):
                stored.update(piece.unknowns.values())
    return frozenset(stored)


def stored(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Those that have a place in the state."""
    return [p for p in parameters if p.offset is not None]

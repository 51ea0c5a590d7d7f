# SPDX-License-Identifier: MIT
"""The program of a native package: what a point computes from its inputs to its outputs, as a few steps over one graph.

All values of a point are components of one *state*: inputs, what one segment hands to the next, unknowns, and behind
them derivatives that a linear solve determines. A step assigns components, solves a nonlinear system, or a linear one;
between steps everything is nodes of the point graph, so that the chain rule across segments is folded like any other
expression. assemble.py adds derivatives. Programs are printed by backends, or interpreted (interpret.py);
nothing here knows C++.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from neml2.compiler.graph.pointgraph import PointGraph, Slot
from neml2.compiler.graph.sites import SiteSystem


@dataclass(frozen=True)
class Argument:
    """An input, output or parameter: components [offset, offset + size) of the state. `value`: of a parameter."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    value: tuple[float, ...] | None = None
    along: bool = False  # whether the first axis has sites

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def components(self) -> range:
        return range(self.offset, self.offset + self.size)

    def leaves(self, graph: PointGraph, offset: int | None = None) -> list[int]:
        """What reads its places in the state, or those of a copy at `offset`."""
        return [graph.leaf(slot) for slot in slots(self.offset if offset is None else offset, self.shape, self.along)]


def slots(offset: int, shape: Sequence[int], along: bool) -> list[Slot]:
    """The places of a variable of `shape` at `offset`; `along`: its first axis has sites."""
    if not along:
        return list(range(offset, offset + prod(shape)))
    stride = prod(shape[1:])
    return [(offset + k, stride, shape[0]) for k in range(stride)]


@dataclass(frozen=True)
class Settings:
    """Settings of a nonlinear solver; see neml2_native_solver in neml2/native/Kernel.h."""

    abs_tol: float = 1e-10
    rel_tol: float = 1e-8
    max_its: int = 25
    line_search: int = 0
    max_line_search: int = 10
    max_substepping: int = 0
    final_update: int = 1
    cutback: float = 2.0
    criterion: float = 1e-3
    update_tol: float = 1e-6
    block: str = ""  # the solver's name in the input file


@dataclass
class Assign:
    """Places of the state from nodes: (place, node)."""

    stores: list[tuple[Slot, int]]


@dataclass
class Increment:
    """For substepping: a given (or, with `state`, an unknown) and its value at the start of the step."""

    current: range
    old: range
    state: bool


@dataclass
class Solve:
    """Find the components `unknowns` at which the residual vanishes; they hold the first iterate."""

    number: int
    unknowns: list[int]
    residual: list[int]
    jacobian: list[list[int]]
    settings: Settings
    increments: list[Increment] = field(default_factory=list)
    given: list[int] = field(default_factory=list)  # components that must be finite, in the residual or not
    system: SiteSystem | None = None  # in whose order unknowns, residual and Jacobian are, if there are sites

    def leaves(self, graph: PointGraph) -> list[int]:
        """What reads the unknowns."""
        return self.system.leaves if self.system else [graph.input(c) for c in self.unknowns]


@dataclass
class Linear:
    """targets = -(Jacobian of `solve` at its solution)^-1 right: both by row, then column. With `increments` it holds
    at the end of each part of a step that is cut: they are to the columns what those of the solve are to the values.
    `transposed`: with the transpose of the Jacobian, which nothing may use behind."""

    solve: Solve
    right: list[list[int]]
    targets: list[list[Slot]]
    increments: list[Increment] = field(default_factory=list)
    transposed: bool = False


Step = Assign | Solve | Linear


@dataclass
class Function:
    """One entry point. `outputs[k]` and `derivatives[k]` are the nodes of each result, row major, for one site where
    the output (of a vjp: the input) has sites. `derivatives`: of a jacobian by pair, a jvp by output, a vjp by
    input."""

    steps: list[Step]
    outputs: list[list[int]]
    derivatives: list[list[int]] = field(default_factory=list)


@dataclass
class Program:
    name: str
    graph: PointGraph
    inputs: list[Argument]  # parameters included, last
    parameters: int
    outputs: list[Argument]
    pairs: list[tuple[int, int]]  # (output, input) numbers
    solves: list[Solve]
    state_size: int
    tangents: int  # where the tangents of the inputs start, in the order of their components; or cotangents of outputs
    forward: Function
    jacobian: Function | None = None
    jvp: Function | None = None
    vjp: Function | None = None

    def functions(self) -> dict[str, Function]:
        found = {"forward": self.forward, "jacobian": self.jacobian, "jvp": self.jvp, "vjp": self.vjp}
        return {name: f for name, f in found.items() if f is not None}

    def directions(self, function: str) -> dict[int, range]:
        """Components that hold the tangent of each input, for "jvp", or the cotangent of each output, for "vjp"."""
        arguments = {"jvp": self.inputs, "vjp": self.outputs}.get(function, [])
        found, start = {}, self.tangents
        for number, argument in enumerate(arguments):
            found[number] = range(start, start + argument.size)
            start += argument.size
        return found

    def direction_leaves(self, function: str) -> list[list[int]]:
        """What reads these, argument by argument."""
        arguments = self.inputs if function == "jvp" else self.outputs
        return [arguments[k].leaves(self.graph, places.start) for k, places in self.directions(function).items()]

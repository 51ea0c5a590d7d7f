# SPDX-License-Identifier: MIT
"""The program of a native package: what a point computes from its inputs to its outputs, as a few steps over one graph.

All values of a point are components of one *state*: inputs, what one segment hands to the next, unknowns, and behind
them derivatives that a linear solve determines. A step assigns components, solves a nonlinear system, or a linear one;
between steps everything is nodes of the point graph, so that the chain rule across segments is folded like any other
expression. Programs are printed (kernel.py) or interpreted (interpret.py); nothing here knows C++.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.pointgraph import PointGraph

if TYPE_CHECKING:
    from neml2.compiler.plan.build import Builder, Captured

Columns = dict[int, int]  # column -> node: nonzero derivatives of one component


@dataclass(frozen=True)
class Argument:
    """An input, output or parameter: components [offset, offset + size) of the state. `value`: of a parameter."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    value: tuple[float, ...] | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def components(self) -> range:
        return range(self.offset, self.offset + self.size)


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
    """Components of the state from nodes: (component, node)."""

    stores: list[tuple[int, int]]


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


@dataclass
class Linear:
    """targets = -(Jacobian of `solve` at its solution)^-1 right: both by row, then column. With `increments` it holds
    at the end of each part of a step that is cut: they are to the columns what those of the solve are to the values."""

    solve: Solve
    right: list[list[int]]
    targets: list[list[int]]
    increments: list[Increment] = field(default_factory=list)


Step = Assign | Solve | Linear


@dataclass
class Function:
    """One entry point. `outputs[k]` and `derivatives[k]` are the nodes of each result, row major."""

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
    tangents: int  # where the tangents of the inputs start, in the order of the inputs' components
    forward: Function
    jacobian: Function | None = None
    jvp: Function | None = None

    def functions(self) -> dict[str, Function]:
        found = {"forward": self.forward, "jacobian": self.jacobian, "jvp": self.jvp}
        return {name: f for name, f in found.items() if f is not None}

    def tangent_components(self, number: int) -> range:
        """Components that hold the tangent of input `number`."""
        start = self.tangents + sum(a.size for a in self.inputs[:number])
        return range(start, start + self.inputs[number].size)


def from_builder(builder: Builder) -> Program:
    """The program of a model whose segments `builder` has captured (after `build()`)."""
    inputs = [_argument(v) for v in builder.sequence.inputs.values()]
    stored = [p for p in builder.parameters.values() if p.offset is not None]
    for p in stored:
        value = None if p.batch_shape or p.value is None else tuple(p.value.double().reshape(-1).tolist())
        inputs.append(_argument(p, value))
    outputs = [_argument(v, name=name) for name, v in builder.sequence.outputs.items()]
    numbers = {a.name: k for k, a in enumerate(inputs)}
    names = [a.name for a in outputs]
    pairs = [(names.index(out), numbers[given]) for out, given in builder.request.pairs]
    return assemble(
        builder.model.name,
        builder.graph,
        inputs,
        len(stored),
        outputs,
        pairs,
        _steps(builder),
        builder.state_size,
    )


def assemble(
    name: str,
    graph: PointGraph,
    inputs: list[Argument],
    parameters: int,
    outputs: list[Argument],
    pairs: list[tuple[int, int]],
    steps: list[Step],
    state_size: int,
) -> Program:
    """A program from its steps; derivatives of the pairs are taken here. Components up to `state_size` are in use."""
    ends = [[graph.input(c) for c in a.components] for a in outputs]
    solves = [s for s in steps if isinstance(s, Solve)]
    tangents = state_size
    size = state_size + sum(a.size for a in inputs)
    program = Program(
        name, graph, inputs, parameters, outputs, pairs, solves, size, tangents, Function(steps, ends)
    )  # fmt: skip
    if pairs:
        program.jacobian = _jacobian(program)
        program.jvp = _jvp(program)
    return program


# ---- from captured segments ------------------------------------------------------------------------------------------


def _argument(variable: Any, value: tuple[float, ...] | None = None, name: str | None = None) -> Argument:
    return Argument(name or variable.name, variable.type.__name__, tuple(variable.shape), variable.offset, value)


def _steps(builder: Builder) -> list[Step]:
    steps: list[Step] = []
    count = 0
    for captured in builder.captured:
        if captured.solve is None:
            written = zip(captured.writes, captured.values, strict=True)
            stores = [(_offset(v) + i, node) for v, nodes in written for i, node in enumerate(nodes)]
            steps.append(Assign(stores))
        else:
            steps.append(_solve(builder, captured, count))
            count += 1
    return steps


def _offset(variable: Any) -> int:
    return int(variable.offset)


def _solve(builder: Builder, captured: Captured, number: int) -> Solve:
    unknowns = [c for v in captured.writes for c in _span(v)]
    rows = jacobian(builder.graph, captured.residual, unknowns)
    update = captured.solve.update  # type: ignore[union-attr]
    increments = [
        Increment(_range(i["current"]), _range(i["old"]), i["kind"] == "state")
        for i in builder._incremental(captured.solve)  # type: ignore[arg-type]
    ]
    given = [c for v in captured.reads for c in _span(v)]
    return Solve(number, unknowns, list(captured.residual), rows, settings_of(update), increments, given)


def _span(variable: Any) -> range:
    return range(_offset(variable), _offset(variable) + variable.size)


def _range(pair: Sequence[int]) -> range:
    return range(pair[0], pair[0] + pair[1])


def settings_of(update: Any) -> Settings:
    """Settings of the solver of an implicit update."""
    from neml2.compiler.plan.solver_options import options_of

    options = options_of(update)
    kinds = {"BACKTRACKING": 1, "STRONG_WOLFE": 2}
    return Settings(
        abs_tol=options["abs_tol"],
        rel_tol=options["rel_tol"],
        max_its=options["max_its"],
        line_search=kinds[options["linesearch_type"]] if options["type"] == "NewtonWithLineSearch" else 0,
        max_line_search=options.get("max_linesearch_iterations", 10),
        max_substepping=getattr(update, "max_substepping_level", 0),
        cutback=options.get("linesearch_cutback", 2.0),
        criterion=options.get("linesearch_stopping_criteria", 1e-3),
        update_tol=options["substep_del_tol"],
        block=options["block"] or "",
    )


# ---- derivatives -----------------------------------------------------------------------------------------------------


class _Chain:
    """Carries derivatives of the state's components through the steps of a program, column by column."""

    def __init__(self, program: Program, seeds: Mapping[int, Columns]) -> None:
        self.program, self.graph = program, program.graph
        self.columns: dict[int, Columns] = dict(seeds)
        self.steps: list[Step] = []
        guesses = {u for s in program.solves for u in s.unknowns}
        for step in program.forward.steps:
            if isinstance(step, Solve) and step.increments:
                self._walk(step)
                continue
            self.steps.append(step)
            if isinstance(step, Assign):
                self._assign(step, guesses)
            elif isinstance(step, Solve):
                self._solve(step)

    def _products(
        self, nodes: Sequence[int], without: frozenset[int] = frozenset(), known: Mapping[int, Columns] | None = None
    ) -> list[Columns]:
        """Derivatives of nodes: local ones times those of the components behind them, `known` before others."""
        g = self.graph
        columns = {**self.columns, **(known or {})}
        behind = sorted(c for c in g.inputs_of(nodes) if columns.get(c) and c not in without)
        rows = jacobian(g, nodes, behind) if behind else [[] for _ in nodes]
        found = []
        for row in rows:
            sums: Columns = {}
            for component, slope in zip(behind, row, strict=True):
                if slope == g.zero:
                    continue
                for column, node in columns[component].items():
                    sums[column] = g.add(sums.get(column, g.zero), g.mul(slope, node))
            found.append({column: node for column, node in sums.items() if node != g.zero})
        return found

    def _assign(self, step: Assign, guesses: set[int]) -> None:
        wanted = [(c, n) for c, n in step.stores if c not in guesses]  # a solution does not depend on its guess
        for component, columns in zip((c for c, _ in wanted), self._products([n for _, n in wanted]), strict=True):
            self.columns[component] = columns

    def _solve(self, step: Solve) -> None:
        rows = self._products(step.residual, frozenset(step.unknowns))
        used = sorted({column for row in rows for column in row})
        for unknown in step.unknowns:
            self.columns[unknown] = {}
        if not used:
            return
        targets = []
        for unknown in step.unknowns:
            fresh = self._fresh(len(used))
            targets.append(list(fresh))
            self.columns[unknown] = {c: self.graph.input(t) for c, t in zip(used, fresh, strict=True)}
        right = [[row.get(column, self.graph.zero) for column in used] for row in rows]
        self.steps.append(Linear(step, right, targets))

    def _walk(self, step: Solve) -> None:
        """A solve that may cut its step: columns of what changes from part to part, and of the unknowns, become
        components of the state, which the walk treats like the values that they belong to."""
        g, unknowns = self.graph, frozenset(step.unknowns)
        forces = {c for i in step.increments if not i.state for c in (*i.current, *i.old)}
        olds = {c for i in step.increments if i.state for c in i.old}
        behind = (g.inputs_of(step.residual) | forces | olds) - unknowns
        used = sorted({column for c in behind for column in self.columns.get(c, {})})
        moving = sorted(c for c in behind if c in forces or c in olds or self.columns.get(c))
        place: dict[int, list[int]] = {c: [] for c in moving}
        for _ in used:
            for c, component in zip(moving, self._fresh(len(moving)), strict=True):
                place[c].append(component)
        targets: list[list[int]] = [[] for _ in step.unknowns]
        for _ in used:
            for row, component in zip(targets, self._fresh(len(targets)), strict=True):
                row.append(component)
        known = {c: {column: g.input(p) for column, p in zip(used, place[c], strict=True)} for c in moving}
        rows = self._products(step.residual, unknowns, known)
        stores = [(p, self.at(c, column)) for c in moving for column, p in zip(used, place[c], strict=True)]
        self.steps += [Assign(stores), step]
        place |= dict(zip(step.unknowns, targets, strict=True))
        increments = [
            Increment(_column(place, i.current, k), _column(place, i.old, k), i.state)
            for i in step.increments
            for k in range(len(used))
        ]
        if used:
            right = [[row.get(column, g.zero) for column in used] for row in rows]
            self.steps.append(Linear(step, right, targets, increments))
        for unknown, row in zip(step.unknowns, targets, strict=True):
            self.columns[unknown] = {column: g.input(t) for column, t in zip(used, row, strict=True)}

    def _fresh(self, count: int) -> range:
        """Components of the state that nothing uses yet."""
        found = range(self.program.state_size, self.program.state_size + count)
        self.program.state_size = found.stop
        return found

    def at(self, component: int, column: int) -> int:
        return self.columns.get(component, {}).get(column, self.graph.zero)


def _column(place: Mapping[int, list[int]], components: range, k: int) -> range:
    """Where the entries of column k of neighbouring components are: neighbours too."""
    first = place[components.start][k]
    return range(first, first + len(components))


def _jacobian(program: Program) -> Function:
    seeds: dict[int, Columns] = {}
    first: dict[int, int] = {}
    for given in dict.fromkeys(given for _, given in program.pairs):
        first[given] = len(seeds)
        for component in program.inputs[given].components:
            seeds[component] = {len(seeds): program.graph.one}
    chain = _Chain(program, seeds)
    blocks = [
        [
            chain.at(row, first[given] + k)
            for row in program.outputs[out].components
            for k in range(program.inputs[given].size)
        ]
        for out, given in program.pairs
    ]
    return Function(chain.steps, program.forward.outputs, blocks)


def _jvp(program: Program) -> Function:
    """One column for each set of inputs that some outputs are differentiated with respect to."""
    sets = [frozenset(g for o, g in program.pairs if o == out) for out in range(len(program.outputs))]
    distinct = [s for s in dict.fromkeys(sets) if s]
    seeds: dict[int, Columns] = {}
    for given, argument in enumerate(program.inputs):
        for component, tangent in zip(argument.components, program.tangent_components(given), strict=True):
            columns = {k: program.graph.input(tangent) for k, s in enumerate(distinct) if given in s}
            if columns:
                seeds[component] = columns
    chain = _Chain(program, seeds)
    results = [
        [chain.at(c, distinct.index(s)) if s else program.graph.zero for c in a.components]
        for a, s in zip(program.outputs, sets, strict=True)
    ]
    return Function(chain.steps, program.forward.outputs, results)

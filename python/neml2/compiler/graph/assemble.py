# SPDX-License-Identifier: MIT
"""A program from its steps: derivatives of the requested pairs are carried through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.graph.program import Argument, Assign, Function, Increment, Linear, Program, Solve, Step

Columns = dict[int, int]  # column -> node: nonzero derivatives of one component


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

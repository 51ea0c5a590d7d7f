# SPDX-License-Identifier: MIT
"""The vector-Jacobian product of a program: one sweep from its outputs back to its inputs.

The forward steps come first, then what each of them takes to undo, last step first. What is handed back is adjoints of
places of the state, nodes of the graph like all else: those of an assignment are local derivatives times the adjoints
of what it assigned; a nonlinear system r(u, p) = 0 takes one linear solve with the transpose of its Jacobian,
l = -(dr/du)^-T u', and hands l^T dr/dp to whatever it was given. A solution does not depend on its guess.

Systems that may cut their steps have gone through states that are gone. Their derivatives by what they were given are
carried forward (chain.py), and multiplied with the adjoints in the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from neml2.compiler.graph.chain import Chain
from neml2.compiler.graph.differentiate import pullback
from neml2.compiler.graph.partials import summed
from neml2.compiler.graph.pointgraph import LEAVES, Slot
from neml2.compiler.graph.program import Assign, Function, Linear, Program, Solve, Step

Adjoints = list[dict[int, int]]
"""By column: leaf -> node, of those that are not zero."""


def vjp(program: Program) -> Function:
    """Adjoints of the inputs, from those of the outputs that they are paired with. There is one column for each set of
    outputs that some inputs are derived from."""
    graph = program.graph
    sets = [frozenset(o for o, given in program.pairs if given == k) for k in range(len(program.inputs))]
    distinct = [s for s in dict.fromkeys(sets) if s]
    seeds: Adjoints = [{} for _ in distinct]
    handed = program.direction_leaves("vjp")
    for number, argument in enumerate(program.outputs):
        for column in (seeds[k] for k, s in enumerate(distinct) if number in s):
            column.update(zip(argument.leaves(graph), handed[number], strict=True))
    wanted = {leaf for a, s in zip(program.inputs, sets, strict=True) if s for leaf in a.leaves(graph)}
    sweep = _Sweep(program, seeds, wanted)
    results = [
        [sweep.adjoints[distinct.index(s)].get(leaf, graph.zero) if s else graph.zero for leaf in a.leaves(graph)]
        for a, s in zip(program.inputs, sets, strict=True)
    ]
    return Function(sweep.steps, program.forward.outputs, results)


class _Sweep:
    """Adjoints of the places of the state, known by their leaves, carried back through all steps."""

    def __init__(self, program: Program, seeds: Adjoints, wanted: set[int]) -> None:
        self.program, self.graph, self.adjoints = program, program.graph, seeds
        self.cut: dict[int, Chain] = {}  # derivatives of the unknowns of systems that cut their steps
        self.moving = self._moving(wanted)
        self.steps = self._forward()
        for step in reversed(program.forward.steps):
            if isinstance(step, Assign):
                self._assign(step)
            elif isinstance(step, Solve):
                self._cut(step) if step.increments else self._solve(step)

    def _moving(self, wanted: set[int]) -> set[int]:
        """Leaves that depend on those of `wanted`."""
        moving, guesses = set(wanted), {leaf for s in self.program.solves for leaf in s.leaves(self.graph)}
        for step in self.program.forward.steps:
            if isinstance(step, Assign):
                stores = ((self.graph.leaf(slot), n) for slot, n in step.stores)
                moving |= {leaf for leaf, n in stores if leaf not in guesses and self._behind([n], moving)}
            elif isinstance(step, Solve) and self._given(step, moving):
                moving |= set(step.leaves(self.graph))
        return moving

    def _behind(self, nodes: Sequence[int], moving: set[int]) -> list[int]:
        return [n for n in self.graph.reachable(nodes) if self.graph.op[n] in LEAVES and n in moving]

    def _given(self, step: Solve, moving: set[int]) -> list[int]:
        """Moving leaves that a system is given. Those that move from part to part of a step count, whether or not the
        residual reads them."""
        unknowns = set(step.leaves(self.graph))
        parts = [self.graph.input(c) for i in step.increments for c in (*i.current, *i.old)]
        return [n for n in self._behind([*step.residual, *parts], moving) if n not in unknowns]

    def _forward(self) -> list[Step]:
        """The steps to the outputs, with those that carry derivatives through steps that are cut."""
        steps: list[Step] = []
        for step in self.program.forward.steps:
            given = self._given(step, self.moving) if isinstance(step, Solve) and step.increments else []
            if not given:
                steps.append(step)
                continue
            assert isinstance(step, Solve)
            seeds = {leaf: {k: self.graph.one} for k, leaf in enumerate(given)}
            self.cut[step.number] = Chain(self.program, seeds).through([step])
            steps += self.cut[step.number].steps
        return steps

    def _add(self, column: int, leaf: int, adjoint: int) -> None:
        found = self.adjoints[column]
        found[leaf] = self.graph.add(found.get(leaf, self.graph.zero), adjoint)

    def _hand_back(self, column: int, nodes: Sequence[int], adjoints: Sequence[int], but: Sequence[int] = ()) -> None:
        """Adds what `nodes` with these adjoints hand to the leaves behind them, those of `but` excepted."""
        seeds: dict[int, int] = {}
        for node, adjoint in zip(nodes, adjoints, strict=True):
            seeds[node] = self.graph.add(seeds.get(node, self.graph.zero), adjoint)
        behind = [n for n in self._behind(list(seeds), self.moving) if n not in but]
        if behind:
            found = pullback(self.graph, seeds, behind)
            for leaf in sorted(found, key=lambda n: min(self.graph.components_of(n))):
                self._add(column, leaf, found[leaf])

    def _assign(self, step: Assign) -> None:
        graph = self.graph
        stores = [(graph.leaf(slot), n) for slot, n in step.stores]
        for column, found in enumerate(self.adjoints):
            taken = [(leaf, n, found.pop(leaf)) for leaf, n in stores if leaf in found]
            adjoints = [  # one value may have gone to all sites
                summed(graph, a, graph.size[leaf]) if graph.size[leaf] and not graph.size[n] else a
                for leaf, n, a in taken
            ]
            self._hand_back(column, [n for _, n, _ in taken], adjoints)

    def _taken(self, step: Solve) -> list[tuple[int, list[int]]]:
        """(column, adjoints of the unknowns) where these are not all zero."""
        unknowns, zero = step.leaves(self.graph), self.graph.zero
        taken = [(k, [found.pop(leaf, zero) for leaf in unknowns]) for k, found in enumerate(self.adjoints)]
        return [(k, row) for k, row in taken if any(n != zero for n in row)] if self._given(step, self.moving) else []

    def _solve(self, step: Solve) -> None:
        """One linear solve for all columns: its right side is in the order of the unknowns, its solution in that of the
        equations. Links are unknowns and equations too; as the sweep goes through them to what is behind, their own
        solution is not needed."""
        taken, size = self._taken(step), self.graph.size
        if not taken:
            return
        links = step.system.links if step.system else []
        right = [list(row) for row in zip(*(row for _, row in taken), strict=True)]
        right += [[self.graph.zero] * len(taken) for _ in links]
        targets = [[self._place(size[leaf]) for _ in taken] for leaf in step.leaves(self.graph)]
        targets += [[self._place(0) for _ in taken] for _ in links]
        self.steps.append(Linear(step, right, targets, transposed=True))
        count = len(step.residual) - len(links)
        for j, (column, _) in enumerate(taken):
            adjoints = [self.graph.leaf(row[j]) for row in targets[:count]]
            self._hand_back(column, step.residual[:count], adjoints, step.leaves(self.graph))

    def _place(self, sites: int) -> Slot:
        first = self.program.state_size
        self.program.state_size += max(sites, 1)
        return (first, 1, sites) if sites else first

    def _cut(self, step: Solve) -> None:
        unknowns = step.leaves(self.graph)
        for column, row in self._taken(step):
            for k, leaf in enumerate(self._given(step, self.moving)):
                for unknown, adjoint in zip(unknowns, row, strict=True):
                    self._add(column, leaf, self.graph.mul(self.cut[step.number].at(unknown, k), adjoint))

# SPDX-License-Identifier: MIT
"""Derivatives of the places of a program's state, carried forward through its steps, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neml2.compiler.graph.differentiate import rows
from neml2.compiler.graph.partials import summed
from neml2.compiler.graph.pointgraph import LEAVES, Slot
from neml2.compiler.graph.program import Assign, Increment, Linear, Program, Solve, Step

Columns = dict[int, int]
"""column -> node: nonzero derivatives of one place of the state."""


class Chain:
    """`columns`, by the leaves that read the places; `steps`, with those that the derivatives need."""

    def __init__(self, program: Program, seeds: Mapping[int, Columns]) -> None:
        self.program, self.graph = program, program.graph
        self.columns: dict[int, Columns] = dict(seeds)
        self.steps: list[Step] = []

    def through(self, steps: Sequence[Step]) -> Chain:
        """Carries the columns through `steps`."""
        guesses = {leaf for s in self.program.solves for leaf in s.leaves(self.graph)}
        for step in steps:
            if isinstance(step, Solve) and step.increments:
                self._walk(step)
                continue
            self.steps.append(step)
            if isinstance(step, Assign):
                self._assign(step, guesses)
            elif isinstance(step, Solve):
                self._solve(step)
        return self

    def _products(
        self,
        nodes: Sequence[int],
        without: frozenset[int] = frozenset(),
        known: Mapping[int, Columns] | None = None,
        stops: Sequence[int] = (),
    ) -> list[Columns]:
        """Derivatives of nodes: local ones times those of the leaves behind them, `known` before others; what is behind
        `stops` does not count."""
        g = self.graph
        columns = {**self.columns, **(known or {})}
        leaves = (n for n in g.reachable(nodes) if g.op[n] in LEAVES)
        behind = [n for n in leaves if columns.get(n) and n not in without]
        found = []
        local = rows(g, nodes, [*behind, *stops]) if behind else [{} for _ in nodes]
        for node, row in zip(nodes, local, strict=True):
            sums: Columns = {}
            keys = [key for key in row if key[0] not in stops]
            for leaf, offset in sorted(keys, key=lambda key: (min(g.components_of(key[0])), key[1])):
                slope = row[leaf, offset]
                for column, moving in columns[leaf].items():
                    product = g.mul(slope, g.shift(moving, offset, g.size[node]) if g.size[node] else moving)
                    if g.size[leaf] and not g.size[node]:
                        product = summed(g, product, g.size[leaf])
                    sums[column] = g.add(sums.get(column, g.zero), product)
            found.append({column: n for column, n in sums.items() if n != g.zero})
        return found

    def _assign(self, step: Assign, guesses: set[int]) -> None:
        stores = [(self.graph.leaf(slot), n) for slot, n in step.stores]
        wanted = [(leaf, n) for leaf, n in stores if leaf not in guesses]  # a solution does not depend on its guess
        for leaf, columns in zip((x for x, _ in wanted), self._products([n for _, n in wanted]), strict=True):
            self.columns[leaf] = columns

    def _solve(self, step: Solve) -> None:
        unknowns, links = step.leaves(self.graph), step.system.links if step.system else []
        found = self._products(step.residual, frozenset(unknowns), stops=links)
        for k, link in enumerate(links, len(found) - len(links)):
            (row,) = self._products([link], frozenset(unknowns), stops=[n for n in links if n != link])
            found[k] = {column: self.graph.neg(n) for column, n in row.items()}
        used = sorted({column for row in found for column in row})
        for unknown in unknowns:
            self.columns[unknown] = {}
        if not used:
            return
        targets: list[list[Slot]] = []
        for unknown in unknowns:
            fresh = self._places(len(used), self.graph.size[unknown])
            targets.append(fresh)
            self.columns[unknown] = {c: self.graph.leaf(t) for c, t in zip(used, fresh, strict=True)}
        targets += [self._places(len(used), 0) for _ in links]
        right = [[row.get(column, self.graph.zero) for column in used] for row in found]
        self.steps.append(Linear(step, right, targets))

    def _places(self, number: int, sites: int) -> list[Slot]:
        """Places that nothing uses yet."""
        if not sites:
            return list(self._fresh(number))
        return [(self._fresh(sites).start, 1, sites) for _ in range(number)]

    def _walk(self, step: Solve) -> None:
        """A solve that may cut its step: columns of what changes from part to part, and of the unknowns, become
        components of the state, which the walk treats like the values that they belong to."""
        g, unknowns = self.graph, frozenset(step.unknowns)
        forces = {c for i in step.increments if not i.state for c in (*i.current, *i.old)}
        olds = {c for i in step.increments if i.state for c in i.old}
        behind = (g.inputs_of(step.residual) | forces | olds) - unknowns
        used = sorted({column for c in behind for column in self._at_component(c)})
        moving = sorted(c for c in behind if c in forces or c in olds or self._at_component(c))
        place: dict[int, list[int]] = {c: [] for c in moving}
        for _ in used:
            for c, component in zip(moving, self._fresh(len(moving)), strict=True):
                place[c].append(component)
        targets: list[list[int]] = [[] for _ in step.unknowns]
        for _ in used:
            for row, component in zip(targets, self._fresh(len(targets)), strict=True):
                row.append(component)
        known = {g.input(c): {column: g.input(p) for column, p in zip(used, place[c], strict=True)} for c in moving}
        rows = self._products(step.residual, frozenset(map(g.input, unknowns)), known)
        stores = [(p, self.at(g.input(c), column)) for c in moving for column, p in zip(used, place[c], strict=True)]
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
            self.columns[g.input(unknown)] = {column: g.input(t) for column, t in zip(used, row, strict=True)}

    def _at_component(self, component: int) -> Columns:
        return self.columns.get(self.graph.input(component), {})

    def _fresh(self, count: int) -> range:
        """Components of the state that nothing uses yet."""
        found = range(self.program.state_size, self.program.state_size + count)
        self.program.state_size = found.stop
        return found

    def at(self, leaf: int, column: int) -> int:
        return self.columns.get(leaf, {}).get(column, self.graph.zero)


def _column(place: Mapping[int, list[int]], components: range, k: int) -> range:
    """Where the entries of column k of neighbouring components are: neighbours too."""
    first = place[components.start][k]
    return range(first, first + len(components))

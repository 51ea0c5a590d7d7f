# SPDX-License-Identifier: MIT
"""Jacobians by elimination of vertices: fewer operations than one sweep for each output where many outputs and inputs
meet in few values, as stresses and rates of slip systems do.

An edge from an operand to a node carries the local derivative. A vertex in between is eliminated by giving each of its
successors edges from each of its predecessors, with products of derivatives; the next one is always that with the
fewest products (Markowitz). In the end every edge leads from an input to an output. Like an adjoint, an edge that came
through one side of a `where` carries its condition (differentiate.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from neml2.compiler.graph.partials import active, both, select, sides, summed
from neml2.compiler.graph.pointgraph import PointGraph

Edge = tuple[int, "int | None"]
"""A derivative, and the truth value under which it is not zero."""

Order = Callable[[int, int, int], tuple[int, int]]
"""Which of two vertices with (number, predecessors, successors) comes first."""

ORDERS: tuple[Order, ...] = (lambda n, p, s: (p * s, p), lambda n, p, s: (p * s, -n))
"""None is best for all models."""

_UNKNOWN = frozenset(("shift", "at"))


def rows(
    g: PointGraph, outputs: Sequence[int], leaves: Iterable[int], order: Order
) -> list[dict[tuple[int, int], int]] | None:
    """As `differentiate.rows`; None where sites meet in other ways than by sums."""
    work = _Elimination(g, outputs, set(leaves))
    return work.rows(order) if work.possible else None


class _Elimination:
    def __init__(self, g: PointGraph, outputs: Sequence[int], wanted: set[int]) -> None:
        self.g, self.outputs, self.wanted = g, outputs, wanted
        vertices = active(g, outputs, wanted)
        self.possible = all(g.op[n] not in _UNKNOWN or n in wanted for n in vertices)
        self.before: dict[int, dict[int, Edge]] = {n: {} for n in vertices}
        self.behind: dict[int, set[int]] = {n: set() for n in vertices}
        for node in sorted(vertices - wanted) if self.possible else ():
            self._local(node)

    def _local(self, node: int) -> None:
        g = self.g
        if g.op[node] == "sum":
            self._add(g.args[node][0], node, (g.one, None))
            return
        for operand, slope, condition in sides(g, node):
            self._add(operand, node, (select(g, condition, g.one) if slope is None else slope, condition))

    def _add(self, start: int, end: int, edge: Edge) -> None:
        value, guard = edge
        if start not in self.before or value == self.g.zero:
            return
        known = self.before[end].get(start)
        if known is not None:
            value, guard = self.g.add(known[0], value), guard if guard == known[1] else None
        self.before[end][start] = (value, guard)
        self.behind[start].add(end)

    def rows(self, order: Order) -> list[dict[tuple[int, int], int]] | None:
        ends = {}
        for output in dict.fromkeys(self.outputs):  # which may be operands of other nodes too
            if output in self.before:
                ends[output] = -1 - output
                self.before[-1 - output], self.behind[-1 - output] = {}, set()
                self._add(output, -1 - output, (self.g.one, None))
        inner = [n for n in self.before if n >= 0 and n not in self.wanted]
        heap = [(order(n, len(self.before[n]), len(self.behind[n])), n) for n in inner]
        heapq.heapify(heap)
        while heap:
            cost, node = heapq.heappop(heap)
            if node not in self.before:
                continue
            now = order(node, len(self.before[node]), len(self.behind[node]))
            if now != cost:
                heapq.heappush(heap, (now, node))
            elif not self._eliminate(node):
                return None
        return [
            {(leaf, 0): value for leaf, (value, _) in self.before[ends[o]].items()} if o in ends else {}
            for o in self.outputs
        ]

    def _eliminate(self, node: int) -> bool:
        """Whether that is possible: no value of the whole point may stand between sites."""
        g, before, behind = self.g, self.before.pop(node), self.behind.pop(node)
        for end in sorted(behind, reverse=True):
            second = self.before[end].pop(node)
            for start, first in before.items():
                if not g.size[node] and g.size[start] and self._sites(end):
                    return False
                self._add(start, end, self._through(node, start, end, first, second))
        for start in before:
            self.behind[start].discard(node)
        return True

    def _through(self, node: int, start: int, end: int, first: Edge, second: Edge) -> Edge:
        g = self.g
        guard = both(g, first[1], second[1])
        value = select(g, guard, g.mul(first[0], second[0]))
        if g.size[node] and not self._sites(end) and not g.size[start]:  # a sum over sites is between them
            return summed(g, value, g.size[node]), None
        return value, guard

    def _sites(self, vertex: int) -> int:
        return self.g.size[-1 - vertex if vertex < 0 else vertex]

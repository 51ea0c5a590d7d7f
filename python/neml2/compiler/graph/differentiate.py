# SPDX-License-Identifier: MIT
"""Exact derivatives on the point graph, whatever the number of sites: one sweep an output, or elimination.

The adjoint of a `where` reaches only the branch taken. Past the `where`, local derivatives of the other branch may be
infinite, and `0 * inf` would leak NaN into a branch that is never taken. So an adjoint that came through one side of a
`where` carries that condition with it, and every product formed from it is selected by the condition again; `make`
folds those selections where they are not needed.

An output of the whole point has a derivative by each variable, at each site if the variable has sites. An output with
sites has one by a variable of the whole point at each of its sites; and by a variable with sites, one for each
*offset*: that of the output at site i by the variable at site i + offset. What couples all sites with all others, as a
sum over sites that an output at a site depends on, has no such form (`Coupled`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from neml2.compiler.graph import eliminate
from neml2.compiler.graph.partials import active, both, select, sides, summed
from neml2.compiler.graph.pointgraph import PointGraph

Key = tuple[int, int]
"""A node, and the offset of its site from that of the output (0 where either has none)."""

Entry = tuple[int, "int | None"]
"""An adjoint, and the truth value under which it is not zero."""

Row = dict[Key, int]


class Coupled(ValueError):
    """An output at a site depends on a variable at all sites."""


def rows(g: PointGraph, outputs: Sequence[int], leaves: Iterable[int]) -> list[Row]:
    """For each output, its derivatives by `leaves` (nodes, behind which nothing counts) that are not zero everywhere:
    by sweeps or by elimination, whichever takes fewer operations. Raises Coupled."""
    wanted = set(leaves)
    found = [_local(g, out, wanted) if g.size[out] else _global(g, out, wanted) for out in outputs]
    if len(outputs) == 1 or len(wanted) == 1:
        return found
    others = (eliminate.rows(g, outputs, wanted, order) for order in eliminate.ORDERS)
    return min((found, *(o for o in others if o is not None)), key=lambda rows: _work(g, outputs, rows))


def pullback(g: PointGraph, seeds: Mapping[int, int], leaves: Iterable[int]) -> dict[int, int]:
    """The adjoints of `leaves` (nodes, behind which nothing counts) that are not zero everywhere, where the nodes of
    `seeds` have the adjoints given there; both have a value at each site that their node has. One sweep."""
    sweep = _Sweep(g, seeds, set(leaves))
    _walk(sweep)
    return {leaf: value for (leaf, _), value in sweep.row().items()}


def _work(g: PointGraph, outputs: Sequence[int], found: list[Row]) -> int:
    """Operations for values and derivatives, at all sites."""
    return g.count([*outputs, *(n for row in found for n in row.values())])


def jacobian(g: PointGraph, outputs: Sequence[int], components: Sequence[int]) -> list[list[int]]:
    """Nodes of d(outputs)/d(state components), row by row, of a graph without sites; entries that are structurally zero
    are `g.zero`."""
    inputs = [g.input(c) for c in components]
    return [[row.get((node, 0), g.zero) for node in inputs] for row in rows(g, outputs, inputs)]


def _passed(g: PointGraph, entry: Entry, slope: int | None, condition: int | None) -> Entry:
    """What a scalar operation hands to an operand."""
    adjoint, guard = entry
    if slope is None:
        guard = both(g, guard, condition)
        return select(g, guard, adjoint), guard
    product = g.mul(slope, adjoint)
    return (product if g.op[slope] == "const" else select(g, guard, product)), guard


class _Sweep:
    """Adjoints by key, gathered in the reverse of the order of evaluation."""

    def __init__(self, g: PointGraph, seeds: Mapping[int, int], wanted: set[int]) -> None:
        self.g, self.wanted = g, wanted
        self.active = active(g, list(seeds), wanted)
        self.adjoints: dict[int, dict[int, Entry]] = {node: {0: (seed, None)} for node, seed in seeds.items()}

    def add(self, node: int, offset: int, entry: Entry) -> None:
        value, guard = entry
        if node not in self.active or value == self.g.zero:
            return
        found = self.adjoints.setdefault(node, {})
        if offset in found:
            before, other = found[offset]
            value, guard = self.g.add(before, value), guard if guard == other else None
        found[offset] = (value, guard)

    def order(self) -> Iterator[tuple[int, dict[int, Entry]]]:
        for node in sorted(self.active, reverse=True):
            if node in self.adjoints and node not in self.wanted:
                yield node, self.adjoints[node]

    def row(self) -> Row:
        return {
            (node, offset): value
            for node in self.wanted
            for offset, (value, _) in sorted(self.adjoints.get(node, {}).items())
            if value != self.g.zero
        }


# ---- outputs of the whole point: the adjoint of a node with sites has a value at each -------------------------------


def _global(g: PointGraph, output: int, wanted: set[int]) -> Row:
    sweep = _Sweep(g, {output: g.one}, wanted)
    _walk(sweep)
    return sweep.row()


def _walk(sweep: _Sweep) -> None:
    g = sweep.g
    for node, found in sweep.order():
        entry = found[0]
        op = g.op[node]
        if op == "sum":
            sweep.add(g.args[node][0], 0, entry)
        elif op == "at":
            (x,) = g.args[node]
            here = g.table([i == g.value[node] for i in range(g.size[x])])
            sweep.add(x, 0, (select(g, here, entry[0]), both(g, entry[1], here)))
        elif op == "shift":
            sweep.add(g.args[node][0], 0, _returned(g, node, entry))
        else:
            for operand, slope, condition in sides(g, node):
                passed = _passed(g, entry, slope, condition)
                if g.size[node] and not g.size[operand]:
                    passed = (summed(g, passed[0], g.size[node]), None)
                sweep.add(operand, 0, passed)


def _returned(g: PointGraph, node: int, entry: Entry) -> Entry:
    """The adjoint of a shifted node at the sites that it came from."""
    (x,) = g.args[node]
    by, count, size = g.value[node], g.size[node], g.size[x]
    inside = g.table([0 <= j - by < count for j in range(size)])
    value, guard = (None if part is None else g.shift(part, -by, size) for part in entry)
    assert value is not None
    return (value, guard) if g.constant_of(inside) is True else (select(g, inside, value), both(g, guard, inside))


# ---- outputs with sites: all adjoints have a value at each site of the output ---------------------------------------


def _local(g: PointGraph, output: int, wanted: set[int]) -> Row:
    sweep, count = _Sweep(g, {output: g.one}, wanted), g.size[output]
    for node, found in sweep.order():
        op = g.op[node]
        if op in ("sum", "at"):
            raise Coupled(
                f"a value at {count} sites depends on a {'sum over' if op == 'sum' else 'value at one of'} them"
            )
        for offset, entry in found.items():
            if op == "shift":
                sweep.add(g.args[node][0], offset + g.value[node], entry)
                continue
            for operand, slope, condition in sides(g, node):
                moved = (None if x is None else g.shift(x, offset, count) for x in (slope, condition))
                sweep.add(operand, offset if g.size[operand] else 0, _passed(g, entry, *moved))
    return sweep.row()

# SPDX-License-Identifier: MIT
"""Derivatives of graphs with sites: reverse mode, one sweep an output, whatever the number of sites.

An output of the whole point has a derivative by each variable, at each site if the variable has sites. An output with
sites has one by a variable of the whole point at each of its sites; and by a variable with sites, one for each *offset*:
that of the output at site i by the variable at site i + offset. What couples all sites with all others, a sum over sites
that an output at a site depends on, has no such form (`Coupled`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from neml2.compiler.graph.differentiate import partials
from neml2.compiler.graph.pointgraph import TRUTH, PointGraph

Key = tuple[int, int]
"""A node, and the offset of its site from that of the output (0 where either has none)."""

Entry = tuple[int, "int | None"]
"""An adjoint, and the truth value under which it is not zero."""

Row = dict[Key, int]


class Coupled(ValueError):
    """An output at a site depends on a variable at all sites."""


def jacobian(g: PointGraph, outputs: Sequence[int], leaves: Iterable[int]) -> list[Row]:
    """For each output, its derivatives by `leaves` (nodes of inputs) that are not zero everywhere. Raises Coupled."""
    wanted = set(leaves)
    return [_local(g, out, wanted) if g.size[out] else _global(g, out, wanted) for out in outputs]


def _active(g: PointGraph, output: int, wanted: set[int]) -> set[int]:
    """Nodes on a differentiable way from `wanted` to `output`."""
    active: set[int] = set()
    for node in g.reachable([output]):
        if node in wanted or (g.op[node] not in TRUTH and any(a in active for a in g.args[node])):
            active.add(node)
    return active


def _select(g: PointGraph, guard: int | None, value: int) -> int:
    return value if guard is None else g.where(guard, value, g.zero)


def _both(g: PointGraph, a: int | None, b: int) -> int:
    return b if a is None else g.make("and", a, b)


def _sided(g: PointGraph, node: int) -> Iterator[tuple[int, int | None, int | None]]:
    """(operand, slope, condition) of a scalar operation: a slope, or for the sides of a `where` a condition."""
    if g.op[node] == "where":
        condition, a, b = g.args[node]
        yield a, None, condition
        yield b, None, g.logical_not(condition)
    else:
        for operand, slope in partials(g, node):
            yield operand, slope, None


def _passed(g: PointGraph, entry: Entry, slope: int | None, condition: int | None) -> Entry:
    """What a scalar operation hands to an operand."""
    adjoint, guard = entry
    if slope is None:
        assert condition is not None
        both = _both(g, guard, condition)
        return _select(g, both, adjoint), both
    product = g.mul(slope, adjoint)
    return (product if g.op[slope] == "const" else _select(g, guard, product)), guard


class _Sweep:
    """Adjoints by key, gathered in the reverse of the order of evaluation."""

    def __init__(self, g: PointGraph, output: int, wanted: set[int]) -> None:
        self.g, self.wanted = g, wanted
        self.active = _active(g, output, wanted)
        self.adjoints: dict[int, dict[int, Entry]] = {output: {0: (g.one, None)}}

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


# ---- outputs of the whole point: the adjoint of a node with sites has a value at each ---------------------------------


def _global(g: PointGraph, output: int, wanted: set[int]) -> Row:
    sweep = _Sweep(g, output, wanted)
    for node, found in sweep.order():
        entry = found[0]
        op = g.op[node]
        if op == "sum":
            sweep.add(g.args[node][0], 0, entry)
        elif op == "at":
            (x,) = g.args[node]
            here = g.table([i == g.value[node] for i in range(g.size[x])])
            sweep.add(x, 0, (_select(g, here, entry[0]), _both(g, entry[1], here)))
        elif op == "shift":
            sweep.add(g.args[node][0], 0, _returned(g, node, entry))
        else:
            for operand, slope, condition in _sided(g, node):
                passed = _passed(g, entry, slope, condition)
                if g.size[node] and not g.size[operand]:
                    passed = (summed(g, passed[0], g.size[node]), None)
                sweep.add(operand, 0, passed)
    return sweep.row()


def summed(g: PointGraph, x: int, count: int) -> int:
    """The sum of x over `count` sites; it may be the same at all."""
    return g.total(x) if g.size[x] else g.mul(g.const(float(count)), x)


def _returned(g: PointGraph, node: int, entry: Entry) -> Entry:
    """The adjoint of a shifted node at the sites that it came from."""
    (x,) = g.args[node]
    by, count, size = g.value[node], g.size[node], g.size[x]
    inside = g.table([0 <= j - by < count for j in range(size)])
    value, guard = (None if part is None else g.shift(part, -by, size) for part in entry)
    assert value is not None
    return (value, guard) if g.constant_of(inside) is True else (_select(g, inside, value), _both(g, guard, inside))


# ---- outputs with sites: all adjoints have a value at each site of the output -------------------------------------------


def _local(g: PointGraph, output: int, wanted: set[int]) -> Row:
    sweep, count = _Sweep(g, output, wanted), g.size[output]
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
            for operand, slope, condition in _sided(g, node):
                moved = (None if x is None else g.shift(x, offset, count) for x in (slope, condition))
                sweep.add(operand, offset if g.size[operand] else 0, _passed(g, entry, *moved))
    return sweep.row()


# ---- systems ------------------------------------------------------------------------------------------------------------

_MOST_LINKS = 24


@dataclass
class SiteSystem:
    """The Jacobian of a system with unknowns at sites, in the blocks of neml2/native/sites.h.

    Rows and columns: `local` unknowns at each of `sites` sites, then the border: unknowns of the whole point, and
    `links`, values of the whole point by which all sites act on each (a mean, say), as if they were unknowns that solve
    link - value = 0. Unknowns are leaves; `residual` is in the same order. `lower` and `upper` are empty where sites do
    not meet their neighbours.
    """

    sites: int
    local: list[int]
    border: list[int]
    links: list[int]
    residual: list[int]
    inner: list[list[int]]
    outer: list[list[int]]
    rows: list[list[int]]
    corner: list[list[int]]
    lower: list[list[int]] = field(default_factory=list)
    upper: list[list[int]] = field(default_factory=list)

    @property
    def leaves(self) -> list[int]:
        return [*self.local, *self.border]

    @property
    def banded(self) -> bool:
        return bool(self.lower)

    def entries(self) -> list[list[int]]:
        blocks = (self.inner, self.outer, self.rows, self.corner, self.lower, self.upper)
        return [row for block in blocks for row in block]


def system(g: PointGraph, unknowns: Sequence[int], residual: Sequence[int]) -> SiteSystem:
    """The system of `unknowns` (leaves) and the nodes of their residual. Raises Coupled where it has not this form."""
    local, border = [u for u in unknowns if g.size[u]], [u for u in unknowns if not g.size[u]]
    at_sites, whole = [r for r in residual if g.size[r]], [r for r in residual if not g.size[r]]
    sizes = {g.size[n] for n in (*local, *at_sites)}
    if len(sizes) != 1 or len(at_sites) != len(local):
        raise Coupled("the unknowns and the equations have different sites")
    links = _links(g, at_sites, set(local))
    columns = [*border, *links]
    upper = jacobian(g, at_sites, [*local, *columns])
    lower = jacobian(g, whole, [*local, *columns])
    for link in links:
        (row,) = jacobian(g, [link], [*local, *(n for n in columns if n != link)])
        lower.append({(link, 0): g.one, **{key: g.neg(n) for key, n in row.items()}})
    offsets = {offset for row in upper for _, offset in row}
    if not offsets <= {-1, 0, 1}:
        raise Coupled(f"equations at a site have unknowns {max(map(abs, offsets))} sites away")

    def block(rows: list[Row], leaves: list[int], offset: int = 0) -> list[list[int]]:
        return [[row.get((leaf, offset), g.zero) for leaf in leaves] for row in rows]

    found = SiteSystem(
        sizes.pop(), local, border, links, [*at_sites, *whole, *(g.zero for _ in links)],
        block(upper, local), block(upper, columns), block(lower, local), block(lower, columns),
    )  # fmt: skip
    if offsets - {0}:
        found.lower, found.upper = block(upper, local, -1), block(upper, local, 1)
    return found


def _links(g: PointGraph, outputs: Sequence[int], wanted: set[int]) -> list[int]:
    """Sums over sites, and values at one, of `wanted` variables that `outputs` depend on, the nearest to them."""
    moving: set[int] = set()
    for node in g.reachable(outputs):
        if node in wanted or any(a in moving for a in g.args[node]):
            moving.add(node)
    found, seen, stack = [], set(), list(outputs)
    while stack:
        node = stack.pop()
        if node in seen or node not in moving:
            continue
        seen.add(node)
        if g.op[node] in ("sum", "at"):
            found.append(node)
        else:
            stack.extend(g.args[node])
    if len(found) > _MOST_LINKS:
        raise Coupled(f"{len(found)} sums over sites act on each site")
    return sorted(found)

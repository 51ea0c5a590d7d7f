# SPDX-License-Identifier: MIT
"""Nonlinear systems with unknowns at sites: how their equations depend on them, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from neml2.compiler.graph.differentiate import Coupled, Row, rows
from neml2.compiler.graph.pointgraph import PointGraph

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
    upper = rows(g, at_sites, [*local, *columns])
    lower = rows(g, whole, [*local, *columns])
    for link in links:
        (row,) = rows(g, [link], [*local, *(n for n in columns if n != link)])
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

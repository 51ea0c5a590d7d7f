# SPDX-License-Identifier: MIT
"""Code for nodes that have sites: as few loops over the sites as their dependencies allow.

A sum over sites is complete when its loop has ended, and a neighbour's value is there when the loop that computes it
has ended; both start another *stage*. In a stage, what belongs to the whole point is written first, then one loop
computes all that has sites, from state to results. Only what a later stage reads of it is kept in an array.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from neml2.compiler.backends.native import loops, pieces
from neml2.compiler.backends.native.printer import Printer
from neml2.compiler.graph.pointgraph import LEAVES, PointGraph

INDEX = "g"
"""The number of a site in a loop."""

Slot = tuple[int, int, int]
"""Components at all sites: (first, stride, number of sites)."""


def in_state(slot: Slot, site: str) -> str:
    """The state's entry of a slot at a site."""
    first, stride, _ = slot
    return f"s[{site} * {stride} + {first}]"


def neighbour(by: int, length: int, size: int) -> str:
    """The site `by` further, for the first `length` sites; `size`: how many there are."""
    if by == 0 and length <= size:
        return INDEX
    moved = f"({INDEX} + {by})"
    return moved if by >= 0 and by + length <= size else f"neighbour{moved[:-1]}, {size})"


@dataclass
class _Shared:
    """What a function declares ahead: arrays along sites, and tables of constants."""

    lines: list[str] = field(default_factory=list)
    tables: dict[int, str] = field(default_factory=dict)
    last: int = 0

    def number(self) -> int:
        self.last += 1
        return self.last

    def array(self, size: int, truth: bool) -> str:
        name = f"along{self.number()}"
        self.lines.append(f"Buffer<{'MaskOf<V>' if truth else 'V'}, {size}> {name};")
        return name

    def table(self, graph: PointGraph, node: int) -> str:
        if node not in self.tables:
            values = graph.value[node]
            truth = isinstance(values[0], bool)
            name = self.tables[node] = f"table{self.number()}"
            texts = [str(v).lower() if truth else repr(v) for v in values]
            kind = "bool" if truth else "ScalarOf<V>"
            self.lines.append(f"static constexpr {kind} {name}[] = {{{', '.join(texts)}}};")
        return self.tables[node]


class Place(str):
    """What is assigned at each of `sites` sites: an expression that names the site."""

    sites: int

    def __new__(cls, text: str, sites: int) -> Place:
        found = super().__new__(cls, text)
        found.sites = sites
        return found


@dataclass
class _Sited(Printer):
    """References to nodes with sites; `at_site` gives the expression of a slot at a site."""

    at_site: Callable[[Slot, str], str] = in_state
    arrays: dict[int, str] = field(default_factory=dict)  # nodes that an array holds
    shared: _Shared = field(default_factory=_Shared)

    def inner(self, component: Callable[[int], str] | None = None, prefix: str | None = None) -> Any:
        return replace(super().inner(component, prefix), arrays=dict(self.arrays))  # type: ignore[call-arg]

    def forget(self, nodes: Collection[int]) -> None:
        super().forget(nodes)
        self.arrays = {n: name for n, name in self.arrays.items() if n not in nodes}

    def reference(self, node: int) -> str:
        graph, op, value = self.graph, self.graph.op[node], self.graph.value[node]
        if node in self.names:
            return self.names[node]
        if node in self.arrays:
            return f"{self.arrays[node]}[{INDEX}]"
        if op == "shift":
            (x,) = graph.args[node]
            return self._at(x, neighbour(value, graph.size[node], graph.size[x]))
        if op == "at":
            return self._at(graph.args[node][0], str(value))
        return self._at(node, INDEX) if op in ("sites", "table") else super().reference(node)

    def _at(self, node: int, site: str) -> str:
        op, value = self.graph.op[node], self.graph.value[node]
        if op == "sites":
            return self.at_site(value, site)
        if op == "table":
            name = self.shared.table(self.graph, node)
            return f"{'mask' if isinstance(value[0], bool) else 'splat'}<V>({name}[{site}])"
        if node in self.arrays:
            return f"{self.arrays[node]}[{site}]"
        raise KeyError(f"node {node} ({op}) is used before it is written")

    def missing(self, outputs: Iterable[int]) -> list[int]:
        """Those that need a statement: places of arrays and of the state are referred to as they are."""
        seen: set[int] = set()
        stack = list(outputs)
        while stack:
            node = stack.pop()
            if node in seen or node in self.names or node in self.arrays or self.graph.op[node] in _PLACES:
                continue
            seen.add(node)
            stack.extend(self.graph.args[node])
        return sorted(seen)


_PLACES = (*LEAVES, "shift", "at")


class _Body(_Sited):
    """The body of a loop over sites, in which a site is like a point."""


@dataclass
class _LongBody(_Sited, loops.LoopPrinter):
    """The same in loops of its own."""


@dataclass
class SitePrinter(_Sited):
    """A printer for functions with sites. What is assigned at sites has a `Place` as its target."""

    def declarations(self) -> list[str]:
        return self.shared.lines

    def statements(self, outputs: Iterable[int]) -> list[str]:
        outputs = list(outputs)
        return self._staged(outputs, {n for n in outputs if self.graph.size[n]}, [])

    def assignments(self, stores: Iterable[tuple[str, int]]) -> list[str]:
        stores = list(stores)
        return self._staged([n for _, n in stores], set(), stores)

    def _staged(self, outputs: list[int], keep: set[int], stores: list[tuple[str, int]]) -> list[str]:
        stages = self._stages(outputs)
        kept = keep | self._kept(stages)
        whole: dict[int, list[int]] = defaultdict(list)
        for node, stage in stages.items():
            if not self.graph.size[node] and self.graph.op[node] not in ("sum", "at"):
                whole[stage].append(node)
        written: dict[int, list[tuple[str, int]]] = defaultdict(list)
        for target, node in stores:
            written[stages.get(node, 0)].append((target, node))
        lines: list[str] = []
        for stage in range(1 + max([*stages.values(), 0])):
            lines += super().statements(whole[stage])
            lines += [f"{t} = {self.reference(n)};" for t, n in written[stage] if not isinstance(t, Place)]
            there = [(t, n) for t, n in written[stage] if isinstance(t, Place)]
            lines += self._loops(stage, stages, kept, there)
        return lines

    def _stages(self, outputs: list[int]) -> dict[int, int]:
        """Which stage computes each node that is not there yet."""
        graph, stages = self.graph, {}
        for node in graph.reachable(outputs):
            op, args = graph.op[node], graph.args[node]
            if op in LEAVES or node in self.names or node in self.arrays:
                continue
            waits = op in ("sum", "shift", "at")
            stages[node] = max((stages[a] + waits for a in args if a in stages), default=int(op == "sum"))
        return stages

    def _kept(self, stages: dict[int, int]) -> set[int]:
        """Nodes with sites that a later stage reads from an array."""
        graph, kept = self.graph, set()
        for node, stage in stages.items():
            for a in graph.args[node]:
                earlier = stages.get(a, stage) < stage and graph.size[a] and graph.op[node] != "sum"
                if earlier and (graph.op[a] != "shift" or graph.op[node] in ("shift", "at")):
                    kept.add(a)
        return kept

    def _loops(self, stage: int, stages: dict[int, int], kept: set[int], stores: list[tuple[str, int]]) -> list[str]:
        """One loop for each number of sites: results, arrays, and sums that the next stage needs."""
        graph, lines = self.graph, []
        work: dict[int, list[tuple[str, int]]] = defaultdict(list)
        for target, node in stores:
            work[target.sites].append((target, node))  # type: ignore[attr-defined]
        arrays = {n: self.shared.array(graph.size[n], graph.is_truth(n)) for n in kept if stages.get(n) == stage}
        for node, name in arrays.items():
            work[graph.size[node]].append((f"{name}[{INDEX}]", node))
        sums = {n: f"sum{self.shared.number()}" for n, k in stages.items() if graph.op[n] == "sum" and k == stage + 1}
        totals: dict[int, list[tuple[str, int]]] = defaultdict(list)
        for node, name in sums.items():
            (x,) = graph.args[node]
            self.shared.lines.append(f"V {name};")
            lines.append(f"{name} = splat<V>(0);")
            totals[graph.size[x]].append((name, x))
        for size in dict.fromkeys((*work, *totals)):
            lines.append(self._loop(size, work[size], totals[size]))
        self.names |= sums
        self.arrays |= arrays
        return lines

    def _loop(self, size: int, stores: list[tuple[str, int]], totals: list[tuple[str, int]]) -> str:
        wanted = [n for _, n in (*stores, *totals)]
        fields = {**vars(self), "names": dict(self.names), "inverses": dict(self.inverses), "prefix": self.prefix + "v"}
        long = self.graph.count(wanted) >= loops.LONG
        body = _LongBody(**fields, uses=loops.uses(self.graph, wanted)) if long else _Body(**fields)
        lines = body.assignments(stores)
        for name, node in totals:
            lines += [*body.statements([node]), f"{name} += {body.reference(node)};"]
        code = pieces.split([lines], arrays=("at_site", "true_at_site"))
        text = [*body.declarations(), *code.declarations, *code.sections[0]]
        head = f"for (int {INDEX} = 0; {INDEX} < {size}; ++{INDEX})"
        return "\n".join([head, "{", *("  " + line.replace("\n", "\n  ") for line in text), "}"])

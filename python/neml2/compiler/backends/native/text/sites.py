# SPDX-License-Identifier: MIT
"""Code for nodes that have sites: as few loops over the sites as their dependencies allow.

A sum over sites is complete when its loop has ended, and a neighbour's value is there when the loop that computes it
has ended; both start another *stage*. In a stage, what belongs to the whole point is written first, then one loop
computes all that has sites, from state to results. Only what a later stage reads of it is kept in an array.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from neml2.compiler.backends.native.text import loops, pieces
from neml2.compiler.backends.native.text.printer import Printer
from neml2.compiler.graph.pointgraph import LEAVES, PointGraph

INDEX = "g"
"""The number of a site in a loop."""

Slot = tuple[int, int, int]
"""Components at all sites: (first, stride, number of sites)."""


@dataclass(frozen=True)
class Strip:
    """Values at sites in an array: the address of the first, and how far the others are apart."""

    first: str
    stride: int
    sites: int

    def read(self, by: int = 0) -> str:
        """In a loop over sites, the value `by` sites further."""
        return f"along<V, P>({self.first}, {self.stride}, {INDEX}{f' + {by}' * bool(by)}, {self.sites})"

    def at(self, site: int) -> str:
        """Outside of loops."""
        return f"({self.first})[{self.stride * site}]"

    def write(self, value: str) -> str:
        return f"put<V, P>({self.first}, {self.stride}, {INDEX}, {self.sites}, {value});"


@dataclass(frozen=True)
class Entry:
    """An entry of a system's matrix for the sites that are computed at once."""

    text: str
    sites: int

    def write(self, value: str) -> str:
        return f"{self.text} = {value};"


Target = str | Strip | Entry
"""What is assigned: once, or at each site."""


def in_state(slot: Slot) -> Strip:
    """Where a slot is in the state."""
    first, stride, count = slot
    return Strip(f"s + {first}", stride, count)


@dataclass
class _Shared:
    """What a function declares ahead: arrays along sites, and tables of constants."""

    lines: list[str] = field(default_factory=list)
    tables: dict[int, str] = field(default_factory=dict)
    last: int = 0

    def number(self) -> int:
        self.last += 1
        return self.last

    def array(self, size: int) -> Strip:
        name = f"along{self.number()}"
        self.lines.append(f"Buffer<V, {size}> {name};")
        return Strip(name, 1, size)

    def table(self, graph: PointGraph, node: int) -> str:
        if node not in self.tables:
            name = self.tables[node] = f"table{self.number()}"
            texts = [repr(float(v)) for v in graph.value[node]]
            self.lines.append(f"static constexpr ScalarOf<V> {name}[] = {{{', '.join(texts)}}};")
        return self.tables[node]


@dataclass
class _Sited(Printer):
    """References to nodes with sites; `at_site` says where a slot is. Truth values are numbers in arrays and tables."""

    at_site: Callable[[Slot], Strip] = in_state
    arrays: dict[int, Strip] = field(default_factory=dict)  # nodes that an array holds
    shared: _Shared = field(default_factory=_Shared)

    def inner(self, component: Callable[[int], str] | None = None, prefix: str | None = None) -> Any:
        return replace(super().inner(component, prefix), arrays=dict(self.arrays))  # type: ignore[call-arg]

    def forget(self, nodes: Collection[int]) -> None:
        super().forget(nodes)
        self.arrays = {n: strip for n, strip in self.arrays.items() if n not in nodes}

    def reference(self, node: int) -> str:
        graph, op, value = self.graph, self.graph.op[node], self.graph.value[node]
        if node in self.names:
            return self.names[node]
        if node in self.arrays or op in ("sites", "table"):
            return self._along(node, 0)
        if op == "shift":
            return self._along(graph.args[node][0], value)
        if op == "at":
            (x,) = graph.args[node]
            found = self._strip(x).at(value)
            return f"MaskOf<V>({found} > splat<V>(0))" if graph.is_truth(x) else found
        return super().reference(node)

    def _along(self, node: int, by: int) -> str:
        if self.graph.op[node] == "table":
            place = f"{INDEX}{f' + {by}' * bool(by)}"
            found = f"table_along<V, P>({self.shared.table(self.graph, node)}, {place}, {self.graph.size[node]})"
        else:
            found = self._strip(node).read(by)
        return f"MaskOf<V>({found} > splat<V>(0))" if self.graph.is_truth(node) else found

    def _strip(self, node: int) -> Strip:
        if node in self.arrays:
            return self.arrays[node]
        if self.graph.op[node] != "sites":
            raise KeyError(f"node {node} ({self.graph.op[node]}) is used before it is written")
        return self.at_site(self.graph.value[node])

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


class _InLanes(_Sited):
    """In the body of a loop over sites, a site is like a point; what belongs to the whole point is spread."""

    def reference(self, node: int) -> str:
        found = super().reference(node)
        if self.graph.size[node] or self.graph.op[node] == "const":
            return found
        return f"each_mask<V, P>({found})" if self.graph.is_truth(node) else f"each<V, P>({found})"


@dataclass
class _Body(_InLanes):
    pass


@dataclass
class _LongBody(_InLanes, loops.LoopPrinter):
    """The same in loops of its own."""


@dataclass
class SitePrinter(_Sited):
    """A printer for functions with sites. `in_turn`: sites are computed one after the other."""

    in_turn: bool = False

    def declarations(self) -> list[str]:
        return self.shared.lines

    def statements(self, outputs: Iterable[int]) -> list[str]:
        outputs = list(outputs)
        return self._staged(outputs, {n for n in outputs if self.graph.size[n]}, [])

    def assignments(self, stores: Iterable[tuple[Target, int]]) -> list[str]:  # type: ignore[override]
        stores = list(stores)
        return self._staged([n for _, n in stores], set(), stores)

    def _staged(self, outputs: list[int], keep: set[int], stores: list[tuple[Target, int]]) -> list[str]:
        stages = self._stages(outputs)
        kept = keep | self._kept(stages)
        whole: dict[int, list[int]] = defaultdict(list)
        for node, stage in stages.items():
            if not self.graph.size[node] and self.graph.op[node] not in ("sum", "at"):
                whole[stage].append(node)
        written: dict[int, list[tuple[Target, int]]] = defaultdict(list)
        for target, node in stores:
            written[stages.get(node, 0)].append((target, node))
        lines: list[str] = []
        for stage in range(1 + max([*stages.values(), 0])):
            lines += super().statements(whole[stage])
            lines += [f"{t} = {self.reference(n)};" for t, n in written[stage] if isinstance(t, str)]
            there = [(t, n) for t, n in written[stage] if not isinstance(t, str)]
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

    def _loops(self, stage: int, stages: dict[int, int], kept: set[int], stores: list[tuple[Any, int]]) -> list[str]:
        """One loop for each number of sites: results, arrays, and sums that the next stage needs."""
        graph, lines = self.graph, []
        work: dict[int, list[tuple[Strip | Entry, int]]] = defaultdict(list)
        for target, node in stores:
            work[target.sites].append((target, node))
        arrays = {n: self.shared.array(graph.size[n]) for n in kept if stages.get(n) == stage}
        for node, strip in arrays.items():
            work[strip.sites].append((strip, node))
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

    def _loop(self, size: int, stores: list[tuple[Strip | Entry, int]], totals: list[tuple[str, int]]) -> str:
        wanted = [n for _, n in (*stores, *totals)]
        fields = {**vars(self), "names": dict(self.names), "inverses": dict(self.inverses), "prefix": self.prefix + "v"}
        del fields["in_turn"]
        long = self.graph.count(wanted) >= loops.LONG
        body = _LongBody(**fields, uses=loops.uses(self.graph, wanted)) if long else _Body(**fields)
        lines = body.statements(wanted) if long else []
        for target, node in stores:
            value = [*body.statements([node]), body.reference(node)]
            if self.graph.is_truth(node):
                value[-1] = f"select<V>({value[-1]}, splat<V>(1), splat<V>(0))"
            lines += [*value[:-1], target.write(value[-1])]
        for name, node in totals:
            lines += [*body.statements([node]), f"{name} += total<V, P>({body.reference(node)}, {INDEX}, {size});"]
        code = pieces.split([lines], arrays=("at_site", "true_at_site"))
        inside = [*body.declarations(), *code.declarations, *code.sections[0]]
        head = f"for (int {INDEX} = 0; {INDEX} < {size}; {INDEX} += sites_at_once<V, P>)"
        text = "\n".join([head, "{", *("  " + line.replace("\n", "\n  ") for line in inside), "}"])
        for word, other in (("V", "S"), ("P", "V")):
            text = re.sub(rf"\b{word}\b", other, text)
        kind = "SiteLanes<V, true>" if self.in_turn else "SiteLanes<V>"
        return "\n".join(["{", f"  using S = {kind};", "  " + text.replace("\n", "\n  "), "}"])

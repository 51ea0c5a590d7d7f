# SPDX-License-Identifier: MIT
"""Long code as loops along the axes it came from: rows of a matrix, slip systems, layers, terms of a series.

Capture and differentiation write a model out, component by component. Here nodes that compute alike, but for constants
and for what they read, meet again. A *value* is a node that is stored, or used more than once; alike values become one
loop, which puts them into an array, and what is used once is computed inside the loop that needs it. Places that are
read one after the other are read by a linear index, all others through a table.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from neml2.compiler.backends.native.text.printer import Printer
from neml2.compiler.graph.pointgraph import COMMUTATIVE, PointGraph

LONG = 20000
"""From this many operations on, a function is written in loops."""

FEW = 4
"""Fewer alike values are written out."""

DEEP = 40
"""Operations in a row that one loop computes without keeping what is between them."""

_LARGEST = 1e38
"""Constants above, which a float cannot hold, and NaN stay out of tables."""

_INDEX = re.compile(r"(?<=[\[(, ])\d+(?=[\],)])")


def uses(graph: PointGraph, outputs: Iterable[int]) -> Counter[int]:
    """How many operands, and entries of `outputs`, each node behind `outputs` is."""
    outputs = list(outputs)
    found = Counter(outputs)
    for node in graph.reachable(outputs):
        found.update(graph.args[node])
    return found


@dataclass
class Storage:
    """How many numbers and truth values the arrays `q` and `qm` of a function hold."""

    numbers: int = 0
    truths: int = 0

    def declarations(self) -> list[str]:
        arrays = (("V q", self.numbers), ("MaskOf<V> qm", self.truths))
        return [f"{name}[{size}];" for name, size in arrays if size]

    def take(self, count: int, truth: bool) -> tuple[str, int]:
        """An array, and where `count` free entries of it begin."""
        if truth:
            self.truths += count
            return "qm", self.truths - count
        self.numbers += count
        return "q", self.numbers - count


@dataclass
class LoopPrinter(Printer):
    """A printer that writes loops; `uses` of all nodes in the function whose arrays are `storage`."""

    uses: Counter[int] = field(default_factory=Counter)
    storage: Storage = field(default_factory=Storage)

    def statements(self, outputs: Iterable[int]) -> list[str]:
        return _Section(self, (), outputs).lines()

    def assignments(self, stores: Iterable[tuple[str, int]]) -> list[str]:
        return _Section(self, stores, ()).lines()

    def declarations(self) -> list[str]:
        return self.storage.declarations()

    def written_out(self, node: int) -> list[str]:
        """One node whose operands have been written."""
        return super().statements([node])


class _Section:
    """What one call of a printer writes."""

    def __init__(self, printer: LoopPrinter, stores: Iterable[tuple[str, int]], outputs: Iterable[int]) -> None:
        self.printer, self.graph = printer, printer.graph
        self.stores = list(stores)
        wanted = [*(node for _, node in self.stores), *outputs]
        self.nodes = printer.missing(wanted)
        self.targets: dict[int, list[str]] = defaultdict(list)
        for target, node in self.stores:
            self.targets[node].append(target)
        self.shape: dict[int, object] = {}
        self.depth: dict[int, int] = {}
        self.operands: dict[int, tuple[int, ...]] = {}
        self._find_shapes()
        here = set(self.nodes)
        self.values = {n for n in here if printer.uses[n] != 1} | {n for n in wanted if n in here}
        self.inside: set[int] = set()  # computed in the loop that needs them

    # ---- what is alike -----------------------------------------------------------------------------------------------

    def _find_shapes(self) -> None:
        known: dict[object, int] = {}
        for node in self.nodes:
            args = self.graph.args[node]
            if self.graph.op[node] in COMMUTATIVE:
                args = tuple(sorted(args, key=lambda a: (str(self._shape_of(a)), a)))
            self.operands[node] = args
            key = (self.graph.op[node], *map(self._shape_of, args))
            self.shape[node] = known.setdefault(key, len(known))
            self.depth[node] = 1 + max((self.depth.get(a, 0) for a in args), default=0)

    def _shape_of(self, node: int) -> object:
        """Equal for nodes with alike expressions: constants, and places in the same array, count as alike."""
        return self.shape[node] if node in self.shape else self._place(node)

    def _place(self, node: int) -> str:
        """The kind of constant that a node is, or the array that it is in."""
        value = self.graph.constant_of(node)
        if value is None:
            return _INDEX.sub("{}", self.printer.reference(node))
        return "const" if not isinstance(value, bool) and abs(value) < _LARGEST else repr(value)

    def _groups(self) -> list[list[int]]:
        """Values that one loop computes, or that are written out one by one, in an order in which they can be."""
        levels: dict[int, list[int]] = defaultdict(list)
        for node in self.nodes:
            levels[self.depth[node]].append(node)
        place = {node: k for k, (_, node) in reversed(list(enumerate(self.stores)))}
        found: list[list[int]] = []
        for depth in sorted(levels, reverse=True):
            alike: dict[object, list[int]] = defaultdict(list)
            for node in levels[depth]:
                if node in self.values:
                    alike[self.shape[node]].append(node)
            for group in alike.values():
                group.sort(key=lambda n: (place.get(n, -1), n))
                if len(group) < FEW:
                    self.values.update(a for n in group for a in self.operands[n] if a in self.shape)
                else:
                    self._take_in(group, 1)
                found.append(group)
        return found[::-1]

    def _take_in(self, column: Sequence[int], level: int) -> None:
        """Decides which operands of alike nodes are computed in their loop; the others become values."""
        for operands in zip(*(self.operands[n] for n in column), strict=True):
            if operands[0] not in self.shape:
                continue
            if level < DEEP and self.values.isdisjoint(operands):
                self.inside.update(operands)
                self._take_in(operands, level + 1)
            else:
                self.values.update(operands)

    # ---- how it is written -------------------------------------------------------------------------------------------

    def lines(self) -> list[str]:
        lines: list[str] = []
        stored: set[int] = set()
        for group in self._groups():
            if len(group) < FEW:
                for node in group:
                    lines += self.printer.written_out(node)
            else:
                lines.append(self._loop(group, stored))
        return lines + self._copies([(t, node) for t, node in self.stores if node not in stored])

    def _copies(self, stores: list[tuple[str, int]]) -> list[str]:
        """Stores of what has been computed before, or of constants."""
        alike: dict[object, list[tuple[str, int]]] = defaultdict(list)
        for target, node in stores:
            alike[_INDEX.sub("{}", target), self._place(node)].append((target, node))
        lines: list[str] = []
        for group in alike.values():
            if len(group) < FEW:
                lines += [f"{target} = {self.printer.reference(node)};" for target, node in group]
                continue
            before: list[str] = []
            target = self._index([t for t, _ in group], before)
            source = self._operand([n for _, n in group], before, [])
            lines.append(_text(len(group), before, [f"{target} = {source};"]))
        return lines

    def _loop(self, group: list[int], stored: set[int]) -> str:
        before: list[str] = []
        body: list[str] = []
        result = self._expression(group, before, body)
        targets = [self.targets[n] for n in group]
        if all(len(t) == 1 for t in targets):
            index = self._index([t[0] for t in targets], before)
            if index is not None:
                body.append(f"{index} = {result};")
                stored.update(group)
        if not stored.issuperset(group) or any(self.printer.uses[n] > 1 for n in group):
            array, first = self.printer.storage.take(len(group), self.graph.is_truth(group[0]))
            body.append(f"{array}[{first} + i] = {result};")
            self.printer.names.update((n, f"{array}[{first + i}]") for i, n in enumerate(group))
        return _text(len(group), before, body)

    def _expression(self, column: Sequence[int], before: list[str], body: list[str]) -> str:
        """Writes the alike nodes of `column` to the body of a loop; returns the name that they have there."""
        operands = list(zip(*(self.operands[n] for n in column), strict=True))
        words = [self._operand(c, before, body) for c in operands]
        expression = self.printer.form(self.graph.op[column[0]]).format(*words)
        name = f"y{len(body)}"
        body.append(self.printer.declaration(column[0]).format(name=name, expression=expression))
        return name

    def _operand(self, column: Sequence[int], before: list[str], body: list[str]) -> str:
        if column[0] in self.inside:
            return self._expression(column, before, body)
        constants = [self.graph.constant_of(n) for n in column]
        if constants[0] is not None and len(set(constants)) > 1:
            before.append(f"static constexpr ScalarOf<V> k{len(before)}[] = {{{', '.join(map(repr, constants))}}};")
            return f"splat<V>(k{len(before) - 1}[i])"
        references = [self.printer.reference(n) for n in column]
        index = self._index(references, before)
        if index is not None:
            return index
        kind = "MaskOf<V>" if self.graph.is_truth(column[0]) else "V"
        before.append(f"const {kind} g{len(before)}[] = {{{', '.join(references)}}};")
        return f"g{len(before) - 1}[i]"

    def _index(self, references: Sequence[str], before: list[str]) -> str | None:
        """`references` as one expression of the loop's i; None where they are not places in one array."""
        if len(set(references)) == 1:
            return references[0]
        template = _INDEX.sub("{}", references[0])
        if any(_INDEX.sub("{}", r) != template for r in references):
            return None
        columns = zip(*(map(int, _INDEX.findall(r)) for r in references), strict=True)
        return template.format(*[self._linear(list(c), before) for c in columns])

    def _linear(self, places: list[int], before: list[str]) -> str:
        first, step = places[0], places[1] - places[0]
        if places == [first + step * k for k in range(len(places))]:
            return str(first) if step == 0 else f"{first} + {step} * i"
        before.append(f"static constexpr int p{len(before)}[] = {{{', '.join(map(str, places))}}};")
        return f"p{len(before) - 1}[i]"


def _text(count: int, before: list[str], body: list[str]) -> str:
    """A loop over i, in a block of its own with what it needs `before`."""
    head = f"for (int i = 0; i < {count}; ++i)"
    lines = ["{", *(f"  {line}" for line in before), f"  {head}", "  {", *(f"    {line}" for line in body), "  }", "}"]
    return "\n".join(lines)

# SPDX-License-Identifier: MIT
"""Which derivatives a package needs: the values on a way from a requested input to a requested output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.plan.layout import Value, stored
from neml2.compiler.plan.segments import Captured, Segment


class Sensitivities:
    """The active part of the sequence of segments, for all requested pairs together and for each alone."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        given = {**captured.parameters, **captured.inputs}
        self.requested = [(captured.outputs[out], given[name]) for out, name in captured.request.pairs]
        self._edges = {s: list(self._links(s)) for s in captured.segments} if self.requested else {}
        self._found: dict[tuple[Segment, Value], dict[int, list[int]]] = {}
        self._active = self._way({out for out, _ in self.requested}, {given for _, given in self.requested})

    def _links(self, segment: Segment) -> Iterator[tuple[Value, Value]]:
        """(output, input) pairs of a segment where the one depends on the other."""
        graph, parameters = self.captured.graph, stored(self.captured.parameters.values())
        for output in segment.writes:
            components = graph.inputs_of(segment.nodes_of(output))
            for given in [*segment.reads, *parameters]:
                if any(not components.isdisjoint(v.components) for v in _ends(segment, given)):
                    yield output, given

    def _way(self, outputs: set[Value], sources: set[Value]) -> set[tuple[Segment, Value, Value]]:
        """(segment, output, input) of the links between `sources` and `outputs`."""
        reached = set(sources)
        for segment in self.captured.segments:
            reached |= {o for o, g in self._edges.get(segment, ()) if g in reached}
        needed = set(outputs)
        active = set()
        for segment in reversed(self.captured.segments):
            links = [(o, g) for o, g in self._edges.get(segment, ()) if o in needed and g in reached]
            active |= {(segment, o, g) for o, g in links}
            needed |= {g for _, g in links}
        return active

    def wanted(self, segment: Segment) -> list[tuple[Value, Value]]:
        """The (output, input) pairs of a segment whose blocks are needed."""
        return [(o, g) for o, g in self._edges.get(segment, ()) if (segment, o, g) in self._active]

    def pairs(self) -> list[dict[str, Any]]:
        """The requested pairs, with the names of what each block's value depends on."""
        found = []
        for (out, given), (out_name, given_name) in zip(self.requested, self.captured.request.pairs, strict=True):
            active = self._way({out}, {given})
            names: frozenset[str] = frozenset()
            for segment in self.captured.segments:
                for o, g in self._edges.get(segment, ()):
                    if (segment, o, g) in active:
                        names |= self._block_dependencies(segment, o, g)
            found.append({"output": out_name, "input": given_name, "depends_on": sorted(names)})
        return found

    def _block_dependencies(self, segment: Segment, output: Value, given: Value) -> frozenset[str]:
        if segment.increments:
            return output.dependencies  # a point whose step is cut has gone through states that all givens decide
        if any(v.along for v in (output, given, *segment.writes)):
            return output.dependencies  # at least what the block depends on
        slopes = self._slopes(segment, segment.writes[0] if segment.residual else output)
        values = [*segment.writes, given] if segment.residual else [given]
        return self.captured.dependencies(n for v in values for c in v.components for n in slopes[c])

    def _slopes(self, segment: Segment, output: Value) -> dict[int, list[int]]:
        """Derivatives of what decides `output` by each component that the segment is given or solves for."""
        key = (segment, output)
        if key not in self._found:
            givens = {g for _, g in self._edges[segment]} | set(segment.writes if segment.residual else ())
            components = sorted({c for v in givens for c in v.components})
            rows = jacobian(self.captured.graph, segment.nodes_of(output), components)
            self._found[key] = {c: list(column) for c, column in zip(components, zip(*rows, strict=True), strict=True)}
        return self._found[key]


def _ends(segment: Segment, given: Value) -> list[Value]:
    """`given`, and the other end of its change where a step may be cut: the one matters if the other does."""
    pairs = [(i.now, i.old) for i in segment.increments]
    return next(([now, old] for now, old in pairs if given is now or given is old), [given])

# SPDX-License-Identifier: MIT
"""Which derivatives a package needs: the variables on a way from a requested input to a requested output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neml2.compiler.frontend.partition import Variable
    from neml2.compiler.plan.build import Builder, Captured


class Sensitivities:
    """The active part of the sequence of segments, for all requested pairs together and for each alone."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.requested = [(builder.sequence.outputs[out], self._source(given)) for out, given in builder.request.pairs]
        outputs = {id(out) for out, _ in self.requested}
        sources = {id(given) for _, given in self.requested}
        self._edges = {id(c): list(self._links(c)) for c in builder.captured} if self.requested else {}
        self._active = self._way(outputs, sources)

    def _source(self, name: str) -> Variable:
        inputs = self.builder.sequence.inputs
        return inputs[name] if name in inputs else self.builder.parameters[name]

    def _links(self, captured: Captured) -> Iterator[tuple[Variable, Variable]]:
        """(output, input) pairs of a segment where the one depends on the other."""
        graph, parameters = self.builder.graph, self.builder.parameters.values()
        stored = [p for p in parameters if p.offset is not None]
        for output in captured.writes:
            components = graph.inputs_of(captured.nodes_of(output))
            for given in [*captured.reads, *stored]:
                if any(not components.isdisjoint(range(v.offset, v.offset + v.size)) for v in _ends(captured, given)):
                    yield output, given

    def _way(self, outputs: set[int], sources: set[int]) -> set[tuple[int, int, int]]:
        """(segment, output, input) identities of the links between `sources` and `outputs`."""
        reached = set(sources)
        for captured in self.builder.captured:
            reached |= {id(o) for o, g in self._edges.get(id(captured), ()) if id(g) in reached}
        needed = set(outputs)
        active = set()
        for captured in reversed(self.builder.captured):
            links = [(o, g) for o, g in self._edges.get(id(captured), ()) if id(o) in needed and id(g) in reached]
            active |= {(id(captured), id(o), id(g)) for o, g in links}
            needed |= {id(g) for _, g in links}
        return active

    def wanted(self, captured: Captured) -> list[tuple[Variable, Variable]]:
        """The (output, input) pairs of a segment whose blocks are needed."""
        return [(o, g) for o, g in self._edges.get(id(captured), ()) if (id(captured), id(o), id(g)) in self._active]

    def pairs(self) -> list[dict[str, Any]]:
        """The requested pairs, with the names of what each block's value depends on."""
        found = []
        for (out, given), (out_name, given_name) in zip(self.requested, self.builder.request.pairs, strict=True):
            active = self._way({id(out)}, {id(given)})
            names: frozenset[str] = frozenset()
            for captured in self.builder.captured:
                for o, g in self._edges.get(id(captured), ()):
                    if (id(captured), id(o), id(g)) in active:
                        names |= self._block_dependencies(captured, o, g)
            found.append({"output": out_name, "input": given_name, "depends_on": sorted(names)})
        return found

    def _block_dependencies(self, captured: Captured, output: Variable, given: Variable) -> frozenset[str]:
        from neml2.compiler.graph.differentiate import jacobian
        from neml2.compiler.plan.build import increments

        builder = self.builder
        if captured.solve and increments(captured.solve):
            return output.dependencies  # a point whose step is cut has gone through states that all givens decide
        variables = [*captured.writes, given] if captured.residual else [given]
        components = [c for v in variables for c in range(v.offset, v.offset + v.size)]  # type: ignore[operator, arg-type]
        rows = jacobian(builder.graph, captured.nodes_of(output), components)
        return builder.dependencies(n for row in rows for n in row)


def _ends(captured: Captured, given: Variable) -> list[Variable]:
    """`given`, and the other end of its change where a step may be cut: the one matters if the other does."""
    from neml2.compiler.plan.build import increments

    pairs = [(now, old) for _, now, old in increments(captured.solve)] if captured.solve else []
    return next(([now, old] for now, old in pairs if given is now or given is old), [given])

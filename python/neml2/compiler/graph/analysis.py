# SPDX-License-Identifier: MIT
"""Questions about nodes of a point graph that a printer asks: what depends on what, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from neml2.compiler.graph.pointgraph import LEAVES, PointGraph

if TYPE_CHECKING:
    from neml2.compiler.graph.program import Solve


def dependent(graph: PointGraph, outputs: Iterable[int], components: Collection[int]) -> set[int]:
    """Nodes behind `outputs` that depend on one of the state components."""
    found: set[int] = set()
    wanted = set(components)
    for node in graph.reachable(outputs):
        if graph.op[node] in LEAVES:
            if not wanted.isdisjoint(graph.components_of(node)):
                found.add(node)
        elif any(a in found for a in graph.args[node]):
            found.add(node)
    return found


def hoistable(graph: PointGraph, outputs: Iterable[int], components: Collection[int]) -> list[int]:
    """Nodes behind `outputs` that do not change with the components, but are used by what does, or are outputs; none
    that have sites, as keeping them costs memory for each."""
    outputs = list(outputs)
    moving = dependent(graph, outputs, components)
    fixed = {o for o in outputs if o not in moving}
    fixed |= {a for node in moving for a in graph.args[node] if a not in moving}
    return sorted(n for n in fixed if graph.op[n] not in LEAVES and not graph.size[n])


def spoiling(graph: PointGraph, outputs: Iterable[int]) -> set[int]:
    """Components that make one of `outputs` NaN or infinite where they are: no branch or quotient drops that."""
    found: dict[int, frozenset[int]] = {}  # leaves
    nothing: frozenset[int] = frozenset()
    outputs = list(outputs)
    for node in graph.reachable(outputs):
        op, args = graph.op[node], [found.get(a, nothing) for a in graph.args[node]]
        if op in ("input", "sites"):
            found[node] = frozenset((node,))
        elif op in ("neg", "abs", "sqrt", "floor", "add", "sub", "mul", "sum"):
            found[node] = nothing.union(*args)
        elif op == "div":
            found[node] = args[0]
        elif op == "where":
            found[node] = args[1] & args[2]
    leaves = nothing.union(*(found.get(o, nothing) for o in outputs))
    return {c for leaf in leaves for c in graph.components_of(leaf)}


def involved(graph: PointGraph, solve: Solve) -> set[int]:
    """All components that a nonlinear system has to do with."""
    nodes = [*solve.residual, *(n for row in solve.jacobian for n in row)]
    increments = {c for i in solve.increments for c in (*i.current, *i.old)}
    return graph.inputs_of(nodes) | increments | set(solve.given) | set(solve.unknowns)


def unheard(graph: PointGraph, solve: Solve) -> list[int]:
    """Those that have to be finite and might not make the residual say so, in order."""
    return sorted(involved(graph, solve) - spoiling(graph, solve.residual))


def invertible(graph: PointGraph) -> set[int]:
    """Divisors whose inverse is worth having: of several quotients, or constant and far from overflow."""
    divisors = Counter(a[1] for op, a in zip(graph.op, graph.args, strict=True) if op == "div")
    return {d for d, count in divisors.items() if (_moderate(graph, d) if graph.op[d] == "const" else count > 1)}


def _moderate(graph: PointGraph, node: int) -> bool:
    return 1e-30 < abs(float(graph.value[node])) < 1e30  # type: ignore[arg-type]


def operations(graph: PointGraph, outputs: Iterable[int]) -> Counter[str]:
    """How many of each operation stand behind `outputs`."""
    return Counter(graph.op[n] for n in graph.reachable(outputs) if graph.op[n] not in LEAVES)

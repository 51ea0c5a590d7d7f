# SPDX-License-Identifier: MIT
"""Exact derivatives on the point graph: reverse mode, one sweep an output.

The adjoint of a `where` reaches only the branch taken. Past the `where`, local derivatives of the other branch may be
infinite, and `0 * inf` would leak NaN into a branch that is never taken. So an adjoint that came through one side of a
`where` carries that condition with it, and every product formed from it is selected by the condition again; `make`
folds those selections where they are not needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from neml2.compiler.graph.pointgraph import TRUTH, Partials, PointGraph


def partials(g: PointGraph, node: int) -> Partials:
    """Local derivatives of a node that is not a `where`; operands with a derivative of zero are absent."""
    rule = _PARTIALS.get(g.op[node])
    return rule(g, node, *g.args[node]) if rule else []


def _power(g: PointGraph, p: int, x: int, y: int) -> Partials:
    exponent = g.constant_of(y)
    if exponent is not None:
        slope = g.mul(y, g.div(p, x))  # shares the power itself
        if exponent > 1:
            slope = g.where(g.make("eq", x, g.zero), g.zero, slope)
        return [(x, slope)]
    slope = g.mul(y, g.make("pow", x, g.sub(y, g.one)))
    growth = g.mul(p, g.make("log", x))
    return [(x, slope), (y, g.where(g.make("eq", x, g.zero), g.zero, growth))]


def _inverse_trig(sign: float) -> Callable[..., Partials]:
    def rule(g: PointGraph, n: int, x: int) -> Partials:
        root = g.make("sqrt", g.sub(g.one, g.mul(x, x)))
        return [(x, g.mul(g.const(sign), g.make("recip", root)))]

    return rule


def _angle(g: PointGraph, n: int, y: int, x: int) -> Partials:
    inverse = g.make("recip", g.add(g.mul(x, x), g.mul(y, y)))
    return [(y, g.mul(x, inverse)), (x, g.neg(g.mul(y, inverse)))]


_PARTIALS: dict[str, Callable[..., Partials]] = {
    "add": lambda g, n, a, b: [(a, g.one), (b, g.one)],
    "sub": lambda g, n, a, b: [(a, g.one), (b, g.const(-1.0))],
    "mul": lambda g, n, a, b: [(a, b), (b, a)],
    "div": lambda g, n, a, b: [(a, g.make("recip", b)), (b, g.neg(g.div(n, b)))],
    "neg": lambda g, n, a: [(a, g.const(-1.0))],
    "recip": lambda g, n, a: [(a, g.neg(g.mul(n, n)))],
    "sqrt": lambda g, n, a: [(a, g.mul(g.const(0.5), g.make("recip", n)))],
    "exp": lambda g, n, a: [(a, n)],
    "log": lambda g, n, a: [(a, g.make("recip", a))],
    "abs": lambda g, n, a: [(a, g.make("sign", a))],
    "sin": lambda g, n, a: [(a, g.make("cos", a))],
    "cos": lambda g, n, a: [(a, g.neg(g.make("sin", a)))],
    "tan": lambda g, n, a: [(a, g.add(g.one, g.mul(n, n)))],
    "asin": _inverse_trig(1.0),
    "acos": _inverse_trig(-1.0),
    "atan": lambda g, n, a: [(a, g.make("recip", g.add(g.one, g.mul(a, a))))],
    "sinh": lambda g, n, a: [(a, g.make("cosh", a))],
    "cosh": lambda g, n, a: [(a, g.make("sinh", a))],
    "tanh": lambda g, n, a: [(a, g.sub(g.one, g.mul(n, n)))],
    "erf": lambda g, n, a: [(a, g.mul(g.const(2 / math.sqrt(math.pi)), g.make("exp", g.neg(g.mul(a, a)))))],
    "hold": lambda g, n, a: g.rules[n]() if n in g.rules else [],
    "atan2": _angle,
    "pow": _power,
}


def _select(g: PointGraph, guard: int | None, value: int) -> int:
    return value if guard is None else g.where(guard, value, g.zero)


def _contributions(g: PointGraph, node: int, adjoint: int, guard: int | None) -> Iterable[tuple[int, int, int | None]]:
    """(operand, what `node` adds to its adjoint, the truth value under which that is not zero) of each operand."""
    if g.op[node] == "where":
        condition, a, b = g.args[node]
        for operand, taken in ((a, condition), (b, g.logical_not(condition))):
            both = taken if guard is None else g.make("and", guard, taken)
            yield operand, _select(g, both, adjoint), both
        return
    for operand, slope in partials(g, node):
        product = g.mul(slope, adjoint)
        yield operand, product if g.op[slope] == "const" else _select(g, guard, product), guard


def _sweep(g: PointGraph, output: int, order: Sequence[int], wanted: set[int]) -> dict[int, int]:
    """Adjoints of `wanted` for one output; `order` is the active part of the graph in evaluation order."""
    active = set(order)
    adjoints: dict[int, tuple[int, int | None]] = {output: (g.one, None)}
    for node in reversed(order):
        if node not in adjoints or node in wanted:
            continue
        for operand, value, guard in _contributions(g, node, *adjoints[node]):
            if operand not in active or value == g.zero:
                continue
            if operand in adjoints:
                before, other = adjoints[operand]
                value, guard = g.add(before, value), guard if guard == other else None
            adjoints[operand] = (value, guard)
    return {node: adjoints[node][0] for node in wanted if node in adjoints}


def _active(g: PointGraph, outputs: Iterable[int], wanted: set[int]) -> list[int]:
    """Nodes on a differentiable way from `wanted` to `outputs`, in evaluation order."""
    active: set[int] = set()
    for node in g.reachable(outputs):
        if node in wanted or (g.op[node] not in TRUTH and any(a in active for a in g.args[node])):
            active.add(node)
    return sorted(active)


def jacobian(g: PointGraph, outputs: Sequence[int], components: Sequence[int]) -> list[list[int]]:
    """Nodes of d(outputs)/d(state components), row by row; entries that are structurally zero are `g.zero`."""
    inputs = [g.input(c) for c in components]
    wanted = set(inputs)
    rows = []
    for output in outputs:
        adjoints = _sweep(g, output, _active(g, [output], wanted), wanted)
        rows.append([adjoints.get(node, g.zero) for node in inputs])
    return rows

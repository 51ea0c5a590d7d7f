# SPDX-License-Identifier: MIT
"""Local derivatives of each scalar operation by its operands, and the conditions under which they count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from neml2.compiler.graph.pointgraph import TRUTH, Partials, PointGraph


def active(g: PointGraph, outputs: Sequence[int], wanted: set[int]) -> set[int]:
    """Nodes on a differentiable way from `wanted` to `outputs`."""
    found: set[int] = set()
    for node in g.reachable(outputs):
        if node in wanted or (g.op[node] not in TRUTH and any(a in found for a in g.args[node])):
            found.add(node)
    return found


def sides(g: PointGraph, node: int) -> Iterator[tuple[int, int | None, int | None]]:
    """(operand, slope, condition) of a scalar operation: a slope, or for the sides of a `where` a condition."""
    if g.op[node] == "where":
        condition, a, b = g.args[node]
        yield a, None, condition
        yield b, None, g.logical_not(condition)
    else:
        for operand, slope in partials(g, node):
            yield operand, slope, None


def both(g: PointGraph, a: int | None, b: int | None) -> int | None:
    """The condition that two conditions hold; None always does."""
    return b if a is None else a if b is None else g.make("and", a, b)


def select(g: PointGraph, guard: int | None, value: int) -> int:
    """`value` where `guard` holds, else zero."""
    return value if guard is None else g.where(guard, value, g.zero)


def summed(g: PointGraph, x: int, count: int) -> int:
    """The sum of x over `count` sites; it may be the same at all."""
    return g.total(x) if g.size[x] else g.mul(g.const(float(count)), x)


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

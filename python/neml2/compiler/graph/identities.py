# SPDX-License-Identifier: MIT
"""Algebraic identities that simplify a node as it is built.

Each rule gets the graph and the operands and returns a node, or None where it knows nothing simpler. Constant factors
and signs move outwards and constants to the first operand, so that equal expressions meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neml2.compiler.graph.pointgraph import PointGraph

_LARGEST_UNROLLED_POWER = 16


def _is(graph: PointGraph, node: int, value: float) -> bool:
    return graph.op[node] == "const" and graph.value[node] == value


def _add(g: PointGraph, a: int, b: int) -> int | None:
    if _is(g, a, 0):
        return b
    if _is(g, b, 0):
        return a
    if a == b:
        return g.mul(g.const(2.0), a)
    if g.op[b] == "neg":
        return g.sub(a, g.args[b][0])
    if g.op[a] == "neg":
        return g.sub(b, g.args[a][0])
    return None


def _sub(g: PointGraph, a: int, b: int) -> int | None:
    if _is(g, b, 0):
        return a
    if _is(g, a, 0):
        return g.neg(b)
    if a == b:
        return g.zero
    if g.op[b] == "neg":
        return g.add(a, g.args[b][0])
    if g.op[a] == "neg":
        return g.neg(g.add(g.args[a][0], b))
    return None


def _scaled(g: PointGraph, node: int) -> bool:
    return g.op[node] == "mul" and g.op[g.args[node][0]] == "const"


def _mul(g: PointGraph, a: int, b: int) -> int | None:
    if g.op[b] == "const":
        a, b = b, a
    if g.op[a] == "const":
        return _mul_constant(g, a, b)
    if g.op[a] == "neg":
        return g.neg(g.mul(g.args[a][0], b))
    if g.op[b] == "neg":
        return g.neg(g.mul(a, g.args[b][0]))
    if a == b and g.op[a] == "abs":
        return g.mul(g.args[a][0], g.args[a][0])
    if g.exact:
        return None
    if _scaled(g, b):
        return g.mul(g.args[b][0], g.mul(a, g.args[b][1]))
    if _scaled(g, a):
        return g.mul(g.args[a][0], g.mul(g.args[a][1], b))
    return None


def _mul_constant(g: PointGraph, c: int, x: int) -> int | None:
    value = g.value[c]
    if value == 0:
        return g.zero
    if value == 1:
        return x
    if value == -1:
        return g.neg(x)
    if g.op[x] == "neg":
        return g.mul(g.const(-value), g.args[x][0])  # type: ignore[operator]
    if _scaled(g, x) and not g.exact:
        return g.mul(g.const(value * g.value[g.args[x][0]]), g.args[x][1])  # type: ignore[operator]
    return g._node("mul", (c, x))


def _div(g: PointGraph, a: int, b: int) -> int | None:
    divisor = g.constant_of(b)
    if _is(g, a, 0):
        return g.zero
    if divisor is not None and divisor != 0 and abs(math.frexp(divisor)[0]) == 0.5 and abs(divisor) < 1e300:
        return g.mul(g.const(1.0 / divisor), a)  # the reciprocal of a power of two is exact
    if g.op[a] == "neg":
        return g.neg(g.make("div", g.args[a][0], b))
    if g.op[b] == "neg":
        return g.neg(g.make("div", a, g.args[b][0]))
    return g.make("recip", b) if _is(g, a, 1) else None


def _neg(g: PointGraph, a: int) -> int | None:
    if g.op[a] == "neg":
        return g.args[a][0]
    if g.op[a] == "sub":
        return g.sub(g.args[a][1], g.args[a][0])
    if _scaled(g, a):
        return g.mul(g.const(-g.value[g.args[a][0]]), g.args[a][1])  # type: ignore[operator]
    return None


def _recip(g: PointGraph, a: int) -> int | None:
    if g.op[a] == "neg":
        return g.neg(g.make("recip", g.args[a][0]))
    if _scaled(g, a) and not g.exact:
        return g.mul(g.make("recip", g.args[a][0]), g.make("recip", g.args[a][1]))
    return None


def _abs(g: PointGraph, a: int) -> int | None:
    if g.op[a] in ("abs", "sqrt", "exp", "cosh"):
        return a
    return g.make("abs", g.args[a][0]) if g.op[a] == "neg" else None


def _pow(g: PointGraph, x: int, y: int) -> int | None:
    exponent = g.constant_of(y)
    if exponent is None:
        return None
    if exponent == 0:
        return g.one
    if exponent == 0.5:
        return g.make("sqrt", x)
    if exponent != int(exponent) or abs(exponent) > _LARGEST_UNROLLED_POWER:
        return None
    power, square, n = None, x, int(abs(exponent))
    while n:
        if n & 1:
            power = square if power is None else g.mul(power, square)
        n >>= 1
        if n:
            square = g.mul(square, square)
    assert power is not None
    return power if exponent > 0 else g.make("recip", power)


def _where(g: PointGraph, c: int, a: int, b: int) -> int | None:
    if a == b:
        return a
    if g.op[c] == "const":
        return a if g.value[c] else b
    if g.op[c] == "not":
        return g.where(g.args[c][0], b, a)
    a, b = _under(g, c, True, a), _under(g, c, False, b)
    if a == b:
        return a
    if not g.exact and _is(g, b, 0):
        if g.op[a] == "neg":
            return g.neg(g.where(c, g.args[a][0], b))
        if _scaled(g, a):
            return g.mul(g.args[a][0], g.where(c, g.args[a][1], b))
    return g._node("where", (c, a, b))


_DEPTH = 4  # of products and signs that conditions are looked for behind


def _under(g: PointGraph, c: int, truth: bool, node: int, depth: int = _DEPTH) -> int:
    """`node` where it is known that `c` is `truth`, looked at through `depth` products and signs."""
    if g.op[node] == "where":
        known = _implied(g, c, truth, g.args[node][0])
        return node if known is None else g.args[node][1 if known else 2]
    if g.op[node] in ("mul", "neg") and depth:
        args = tuple(_under(g, c, truth, a, depth - 1) for a in g.args[node])
        if args != g.args[node]:
            return g.make(g.op[node], *args)
    return node


def _implied(g: PointGraph, c: int, truth: bool, condition: int) -> bool | None:
    """What `condition` is where `c` is `truth`; None where that does not say."""
    if c == condition:
        return truth
    if g.op[condition] == "not":
        known = _implied(g, c, truth, g.args[condition][0])
        return None if known is None else not known
    if g.op[c] == "not":
        return _implied(g, g.args[c][0], not truth, condition)
    if g.op[c] == ("and" if truth else "or"):
        found = (_implied(g, a, truth, condition) for a in g.args[c])
        return next((known for known in found if known is not None), None)
    return None


def _hold(g: PointGraph, a: int) -> int | None:
    if g.op[a] != "hold":
        return None
    return a if a not in g.rules else g.make("hold", g.args[a][0])


def _not(g: PointGraph, a: int) -> int | None:
    return g.args[a][0] if g.op[a] == "not" else None


def _and(g: PointGraph, a: int, b: int) -> int | None:
    return _junction(g, a, b, True)


def _or(g: PointGraph, a: int, b: int) -> int | None:
    return _junction(g, a, b, False)


def _junction(g: PointGraph, a: int, b: int, neutral: bool) -> int | None:
    for x, y in ((a, b), (b, a)):
        if g.op[x] == "const":
            return y if g.value[x] is neutral else x
        known = _implied(g, x, neutral, y)
        if known is not None:  # x decides
            return x if known is neutral else g.const(not neutral)
    return None


RULES: dict[str, Callable[..., int | None]] = {
    "add": _add, "sub": _sub, "mul": _mul, "div": _div, "neg": _neg, "recip": _recip, "abs": _abs, "pow": _pow,
    "where": _where, "hold": _hold, "not": _not, "and": _and, "or": _or,
}  # fmt: skip

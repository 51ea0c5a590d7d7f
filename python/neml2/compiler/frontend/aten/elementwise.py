# SPDX-License-Identifier: MIT
"""Operations that take each entry on its own."""

from __future__ import annotations

import math
from typing import Any

from neml2.compiler.frontend.aten.scalars import Handler, Nodes, Scalars, Table, Unsupported, scaled
from neml2.compiler.graph.pointgraph import PointGraph


def _same_op(op: str) -> Handler:
    return lambda s, *operands, **_: s.map(op, *operands)


def _logical(op: str) -> Handler:
    return lambda s, *operands: s.map(op, *map(s.truths, operands), numbers=False)


def _bitwise(op: str) -> Handler:
    def handler(s: Scalars, *operands: Any) -> Nodes:
        if not all(s.graph.is_truth(int(n)) for x in operands for n in s.nodes(x).reshape(-1)):
            raise Unsupported("bits of numbers have no meaning in a kernel: use conditions")
        return s.map(op, *operands, numbers=False)

    return handler


def _compare(op: str, swap: bool = False, negate: bool = False) -> Handler:
    def handler(s: Scalars, a: Any, b: Any) -> Nodes:
        a, b = (b, a) if swap else (a, b)
        result = s.map(op, a, b)
        return s.map("not", result, numbers=False) if negate else result

    return handler


def minimum(s: Scalars, a: Any, b: Any) -> Nodes:
    return s.map(lambda x, y: s.graph.where(s.graph.make("le", x, y), x, y), a, b)


def maximum(s: Scalars, a: Any, b: Any) -> Nodes:
    return s.map(lambda x, y: s.graph.where(s.graph.make("le", y, x), x, y), a, b)


def _clamp(s: Scalars, x: Any, low: Any = None, high: Any = None) -> Nodes:
    x = s.nodes(x)
    if low is not None:
        x = maximum(s, x, low)
    return x if high is None else minimum(s, x, high)


# ---- whole numbers ---------------------------------------------------------------------------------------------------


def _ceil(s: Scalars, x: Any) -> Nodes:
    return s.map("neg", s.map("floor", s.map("neg", x)))


def trunc(s: Scalars, x: Any) -> Nodes:
    return s.where(s.map("lt", x, 0.0), _ceil(s, x), s.map("floor", x))


def _round(s: Scalars, x: Any, decimals: int = 0) -> Nodes:
    if decimals:
        raise Unsupported("torch.round to decimals: scale before and after")
    up = s.map("floor", s.map("add", x, 0.5))
    tie = s.map("eq", s.map("sub", up, x), 0.5)
    odd = s.map("sub", up, s.map("mul", 2.0, s.map("floor", s.map("mul", 0.5, up))))
    return s.where(tie, s.map("sub", up, odd), up)  # a tie goes to the even neighbour


def _divide(s: Scalars, a: Any, b: Any, rounding_mode: str | None = None) -> Nodes:
    quotient = s.map(s.graph.div, a, b)
    return {None: lambda: quotient, "floor": lambda: s.map("floor", quotient), "trunc": lambda: trunc(s, quotient)}[
        rounding_mode
    ]()


def _modulo(mode: str) -> Handler:
    return lambda s, a, b: s.map("sub", a, s.map("mul", b, _divide(s, a, b, mode)))


# ---- functions made of others ----------------------------------------------------------------------------------------
# Near zero, exp(x) - 1 and log(1 + x) lose digits; Kahan's corrections get them back from the rounding of 1 + x, and
# the derivative is that of the function, not of its correction.


def _expm1(s: Scalars, x: Any) -> Nodes:
    def value(n: Nodes) -> Nodes:
        u = s.map("exp", n)
        less = s.map("sub", u, 1.0)
        corrected = s.map("mul", less, s.map("div", n, s.map("log", u)))
        far = s.map("lt", s.map("abs", n), 0.5)
        return s.where(s.map("eq", u, 1.0), n, s.where(far, corrected, less))

    return s.ruled(value, lambda g, n: g.make("exp", n), "expm1", x)


def log1p(s: Scalars, x: Any) -> Nodes:
    def value(n: Nodes) -> Nodes:
        u = s.map("add", n, 1.0)
        corrected = s.map("mul", s.map("log", u), s.map("div", n, s.map("sub", u, 1.0)))
        near = s.map("lt", s.map("abs", n), 0.5)
        return s.where(s.map("eq", u, 1.0), n, s.where(near, corrected, s.map("log", u)))

    return s.ruled(value, lambda g, n: g.make("recip", g.add(g.one, n)), "log1p", x)


def _asinh(s: Scalars, x: Any) -> Nodes:
    def value(n: Nodes) -> Nodes:
        a = s.map("abs", n)
        square = s.map("mul", a, a)
        root = s.map("sqrt", s.map("add", square, 1.0))
        near = log1p(s, s.map("add", a, s.map("div", square, s.map("add", root, 1.0))))
        far = s.map("add", s.map("log", a), math.log(2.0))
        magnitude = s.where(s.map("lt", a, 1e8), near, far)
        return s.where(s.map("lt", n, 0.0), s.map("neg", magnitude), magnitude)

    return s.ruled(value, lambda g, n: _inverse_root(g, g.add(g.one, g.mul(n, n))), "asinh", x)


def _acosh(s: Scalars, x: Any) -> Nodes:
    def value(n: Nodes) -> Nodes:
        t = s.map("sub", n, 1.0)
        near = log1p(s, s.map("add", t, s.map("sqrt", s.map("mul", t, s.map("add", t, 2.0)))))
        return s.where(s.map("lt", n, 1e8), near, s.map("add", s.map("log", n), math.log(2.0)))

    return s.ruled(value, lambda g, n: _inverse_root(g, g.mul(g.sub(n, g.one), g.add(n, g.one))), "acosh", x)


def _atanh(s: Scalars, x: Any) -> Nodes:
    def value(n: Nodes) -> Nodes:
        a = s.map("abs", n)
        half = s.map("mul", 0.5, log1p(s, s.map("div", s.map("mul", 2.0, a), s.map("sub", 1.0, a))))
        return s.where(s.map("lt", n, 0.0), s.map("neg", half), half)

    return s.ruled(value, lambda g, n: g.make("recip", g.mul(g.sub(g.one, n), g.add(g.one, n))), "atanh", x)


def _inverse_root(g: PointGraph, n: int) -> int:
    return g.make("recip", g.make("sqrt", n))


def _sigmoid(s: Scalars, x: Any) -> Nodes:
    return s.map("recip", s.map("add", s.map("exp", s.map("neg", x)), 1.0))


def _softplus(s: Scalars, x: Any, beta: Any = 1.0, threshold: Any = 20.0) -> Nodes:
    z = s.map("mul", x, beta)
    return s.where(s.map("lt", threshold, z), x, s.map(s.graph.div, log1p(s, s.map("exp", z)), beta))


def _softplus_backward(s: Scalars, g: Any, x: Any, beta: Any, threshold: Any) -> Nodes:
    z = s.map("mul", x, beta)
    return s.where(s.map("lt", threshold, z), g, s.map("mul", g, _sigmoid(s, z)))


def _log_add_exp(s: Scalars, a: Any, b: Any) -> Nodes:
    gap = s.map("neg", s.map("abs", s.map("sub", a, b)))
    return s.map("add", maximum(s, a, b), log1p(s, s.map("exp", gap)))


def root_of_squares(s: Scalars, squares: Any) -> Nodes:
    """A square root whose derivative at zero is zero, the gradient that torch chooses for a norm."""
    zero = s.map("eq", squares, 0.0)
    return s.where(zero, 0.0, s.map("sqrt", squares))


def _hypot(s: Scalars, a: Any, b: Any) -> Nodes:
    return root_of_squares(s, s.map("add", s.map("mul", a, a), s.map("mul", b, b)))


def _atan2(s: Scalars, y: Any, x: Any) -> Nodes:
    g = s.graph

    def angle(y: int, x: int) -> int:  # its derivative at the origin is zero, as torch has it
        origin = g.make("and", g.make("eq", x, g.zero), g.make("eq", y, g.zero))
        there = g.hold(g.make("atan2", y, x))
        return g.where(origin, there, g.make("atan2", y, x))

    return s.map(angle, y, x)


def _copysign(s: Scalars, x: Any, sign: Any) -> Nodes:
    magnitude = s.map("abs", x)
    return s.where(s.map("lt", sign, 0.0), s.map("neg", magnitude), magnitude)


def _lerp(s: Scalars, a: Any, b: Any, weight: Any) -> Nodes:
    gap = s.map("sub", b, a)
    near = s.map("add", a, s.map("mul", weight, gap))
    far = s.map("sub", b, s.map("mul", gap, s.map("sub", 1.0, weight)))
    return s.where(s.map("lt", weight, 0.5), near, far)


def _x_log_y(s: Scalars, x: Any, y: Any) -> Nodes:
    return s.where(s.map("eq", x, 0.0), 0.0, s.map("mul", x, s.map("log", y)))


def _times(factor: float, op: str | None = None) -> Handler:
    return lambda s, x: s.map("mul", s.map(op, x) if op else x, factor)


_LARGEST = 1.7976931348623157e308


def _nan_to_num(s: Scalars, x: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Nodes:
    x = s.where(s.map("eq", x, x), x, nan or 0.0)
    x = s.where(s.map("eq", x, math.inf), _LARGEST if posinf is None else posinf, x)
    return s.where(s.map("eq", x, -math.inf), -_LARGEST if neginf is None else neginf, x)


# ---- types of numbers ------------------------------------------------------------------------------------------------


def cast(s: Scalars, x: Any, *_: Any, dtype: Any = None, **__: Any) -> Any:
    """A change of dtype: to whole numbers it cuts, to truth values it asks for zero, to fewer bits it is refused."""
    import torch

    if dtype is None:
        return x
    if dtype == torch.bool:
        return s.truths(x)
    if dtype.is_complex:
        raise Unsupported("complex numbers are not supported: compute with real and imaginary parts")
    if not dtype.is_floating_point:
        return trunc(s, x)
    g = s.graph
    exact = all(g.is_truth(n) or float(g.constant_of(n) or 0.5).is_integer() for n in s.nodes(x).reshape(-1).tolist())
    if torch.finfo(dtype).bits < s.bits and not exact:
        raise Unsupported(f"a value is rounded to {dtype}, but the kernel computes in {s.bits} bits: leave its dtype")
    return s.numbers(x)


def held(s: Scalars, x: Any, *_: Any, **__: Any) -> Nodes:
    """`x.detach()`: the value, without its derivative."""
    g = s.graph
    return s.map(lambda n: n if g.is_truth(n) else g.hold(n), x, numbers=False)


ELEMENTWISE: Table = {
    **{op: _same_op(op) for op in ("neg", "sqrt", "exp", "log", "abs", "sign", "sin", "cos", "tan", "asin", "acos",
                                   "atan", "sinh", "cosh", "tanh", "floor", "erf", "pow", "mul")},
    "sgn": _same_op("sign"), "reciprocal": _same_op("recip"),
    "rsqrt": lambda s, x: s.map("recip", s.map("sqrt", x)),
    "log10": _times(0.43429448190325182765, "log"), "log2": _times(1.4426950408889634074, "log"), "log1p": log1p,
    "expm1": _expm1, "exp2": lambda s, x: s.map("pow", 2.0, x),
    "asinh": _asinh, "acosh": _acosh, "atanh": _atanh, "atan2": _atan2, "hypot": _hypot,
    "deg2rad": _times(math.pi / 180), "rad2deg": _times(180 / math.pi),
    "sigmoid": _sigmoid, "softplus": _softplus, "logaddexp": _log_add_exp, "xlogy": _x_log_y,
    "silu": lambda s, x: s.map("mul", x, _sigmoid(s, x)), "relu": lambda s, x: _clamp(s, x, 0.0),
    "tanh_backward": lambda s, g, y: s.map("mul", g, s.map("sub", 1.0, s.map("mul", y, y))),
    "sigmoid_backward": lambda s, g, y: s.map("mul", g, s.map("mul", y, s.map("sub", 1.0, y))),
    "threshold_backward": lambda s, g, x, threshold: s.where(s.map("le", x, threshold), 0.0, g),
    "softplus_backward": _softplus_backward,
    "add": lambda s, a, b, alpha=None: s.map("add", a, scaled(s, b, alpha)),
    "sub": lambda s, a, b, alpha=None: s.map("sub", a, scaled(s, b, alpha)),
    "rsub": lambda s, a, b, alpha=None: s.map("sub", b, scaled(s, a, alpha)),
    "div": _divide, "floor_divide": lambda s, a, b: _divide(s, a, b, "floor"),
    "remainder": _modulo("floor"), "fmod": _modulo("trunc"),
    "ceil": _ceil, "trunc": trunc, "round": _round, "frac": lambda s, x: s.map("sub", x, trunc(s, x)),
    "addcmul": lambda s, x, a, b, value=None: s.map("add", x, scaled(s, s.map("mul", a, b), value)),
    "addcdiv": lambda s, x, a, b, value=None: s.map("add", x, scaled(s, s.map(s.graph.div, a, b), value)),
    "lerp": _lerp, "copysign": _copysign,
    "maximum": maximum, "minimum": minimum, "fmax": maximum, "fmin": minimum,
    "clamp": _clamp,
    "clamp_min": lambda s, x, low: _clamp(s, x, low), "clamp_max": lambda s, x, high: _clamp(s, x, None, high),
    "heaviside": lambda s, x, at: s.where(s.map("eq", x, 0.0), at, s.map("lt", 0.0, x)),
    "lt": _compare("lt"), "le": _compare("le"), "gt": _compare("lt", swap=True), "ge": _compare("le", swap=True),
    "eq": _compare("eq"), "ne": _compare("eq", negate=True),
    "isnan": lambda s, x: s.map("not", s.map("eq", x, x), numbers=False),
    "isinf": lambda s, x: s.map("eq", s.map("abs", x), math.inf),
    "nan_to_num": _nan_to_num,
    "logical_and": _logical("and"), "logical_or": _logical("or"), "logical_not": _logical("not"),
    "logical_xor": lambda s, a, b: s.map("not", s.map("eq", s.truths(a), s.truths(b)), numbers=False),
    "bitwise_and": _bitwise("and"), "bitwise_or": _bitwise("or"), "bitwise_not": _bitwise("not"),
    "where": lambda s, c, a, b: s.where(c, a, b), "masked_fill": lambda s, x, mask, value: s.where(mask, value, x),
    "_to_copy": cast,
    "hold": held, "detach": lambda s, x: x,
    **dict.fromkeys(("clone", "alias", "lift_fresh"), lambda s, x, *_, **__: x),
}  # fmt: skip

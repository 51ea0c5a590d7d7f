# SPDX-License-Identifier: MIT
"""Sums, extremes, norms and orders along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neml2.compiler.frontend.aten.elementwise import maximum, minimum, root_of_squares
from neml2.compiler.frontend.aten.scalars import Handler, Nodes, Scalars, Table, Unsupported

_MOST_SORTED = 64


def _truth(op: str) -> Handler:
    return lambda s, x, dims=None, keepdim=False: s.reduce(op, s.truths(x), dims, keepdim, numbers=False)


def _sum(s: Scalars, x: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Nodes:
    return s.reduce("add", x, dims, keepdim)


def _mean(s: Scalars, x: Any, dims: Any = None, keepdim: bool = False, **_: Any) -> Nodes:
    total = _sum(s, x, dims, keepdim)
    return s.map(s.graph.div, total, max(np.size(x), 1) / total.size)


def _var(s: Scalars, x: Any, dims: Any = None, *, correction: Any = 1, keepdim: bool = False) -> Nodes:
    off = s.map("sub", x, _mean(s, x, dims, True))
    total = _sum(s, s.map("mul", off, off), dims, keepdim)
    return s.map(s.graph.div, total, np.size(x) / total.size - (1 if correction is None else correction))


# ---- extremes --------------------------------------------------------------------------------------------------------


def _extreme(larger: bool) -> Handler:
    pick = maximum if larger else minimum

    def handler(s: Scalars, x: Any, dims: Any = None, keepdim: bool = False) -> Nodes:
        return s.reduce(lambda a, b: int(pick(s, np.int64(a), np.int64(b))), x, dims, keepdim)

    return handler


def _placed(larger: bool) -> Handler:
    """The extreme along one axis, and the place where it is first met."""

    def handler(s: Scalars, x: Any, dim: int, keepdim: bool = False) -> tuple[Nodes, Nodes]:
        x = s.numbers(x)
        if x.ndim == 0:
            return x, s.nodes(0.0)
        value, place = np.take(x, 0, axis=dim), s.nodes(0.0)
        for k in range(1, x.shape[dim]):
            other = np.take(x, k, axis=dim)
            better = s.map("lt", value, other) if larger else s.map("lt", other, value)
            value, place = s.where(better, other, value), s.where(better, float(k), place)
        place = np.broadcast_to(place, value.shape)
        return (np.expand_dims(value, dim), np.expand_dims(place, dim)) if keepdim else (value, place)

    return handler


def _place(larger: bool) -> Handler:
    def handler(s: Scalars, x: Any, dim: int | None = None, keepdim: bool = False) -> Nodes:
        if dim is None:
            return _placed(larger)(s, s.nodes(x).reshape(-1), 0)[1]
        return _placed(larger)(s, x, dim, keepdim)[1]

    return handler


# ---- norms -----------------------------------------------------------------------------------------------------------


def norm(s: Scalars, x: Any, order: Any = 2, dims: Any = None, keepdim: bool = False, **_: Any) -> Nodes:
    """A vector norm; the derivative of the Euclidean one is zero at zero."""
    order = 2.0 if order is None else float(order)
    if order == 2:
        return root_of_squares(s, _sum(s, s.map("mul", x, x), dims, keepdim))
    size = s.map("abs", x)
    if math.isinf(order):
        return _extreme(order > 0)(s, size, dims, keepdim)
    if order == 0:
        return _sum(s, s.map("not", s.map("eq", x, 0.0), numbers=False), dims, keepdim)
    if order == 1:
        return _sum(s, size, dims, keepdim)
    total = _sum(s, s.map("pow", size, order), dims, keepdim)
    return s.where(s.map("eq", total, 0.0), 0.0, s.map("pow", total, 1 / order))


# ---- along an axis ---------------------------------------------------------------------------------------------------


def _running(op: str) -> Handler:
    def handler(s: Scalars, x: Any, dim: int, **_: Any) -> Nodes:
        x = s.numbers(x)
        if x.ndim == 0 or not x.shape[dim]:
            return x
        parts = [np.take(x, 0, axis=dim)]
        for k in range(1, x.shape[dim]):
            parts.append(s.map(op, parts[-1], np.take(x, k, axis=dim)))
        return np.stack(parts, axis=dim)

    return handler


def sort(
    s: Scalars, x: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> tuple[Nodes, Nodes]:
    """Entries in order, and where they came from; equal ones keep their order. A network of exchanges."""
    x = s.numbers(x)
    if x.ndim == 0:
        return x, s.nodes(0.0)
    values = list(np.moveaxis(x, dim, 0))
    if len(values) > _MOST_SORTED:
        raise Unsupported(f"an order of {len(values)} entries ({_MOST_SORTED} at most)")
    places = [np.broadcast_to(s.nodes(float(k)), values[0].shape) for k in range(len(values))]
    for last in range(len(values) - 1, 0, -1):
        for i in range(last):
            a, b = values[i], values[i + 1]
            swap = s.map("lt", a, b) if descending else s.map("lt", b, a)
            for column in (values, places):
                a, b = column[i], column[i + 1]
                column[i], column[i + 1] = s.where(swap, b, a), s.where(swap, a, b)
    return np.moveaxis(np.array(values), 0, dim), np.moveaxis(np.array(places), 0, dim)


def _topk(s: Scalars, x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Nodes, ...]:
    return tuple(np.take(part, range(k), axis=dim) for part in sort(s, x, dim, largest))


def _median(s: Scalars, x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    if dim is None:
        ordered = sort(s, s.nodes(x).reshape(-1), 0)[0]
        return ordered[(ordered.size - 1) // 2]
    middle = (np.shape(x)[dim] - 1) // 2
    return tuple(np.take(p, [middle] if keepdim else middle, axis=dim) for p in sort(s, x, dim))


def _log_sum_exp(s: Scalars, x: Any, dims: Any, keepdim: bool = False) -> Nodes:
    largest = s.map("hold", _extreme(True)(s, x, dims, True))
    total = s.map("log", _sum(s, s.map("exp", s.map("sub", x, largest)), dims, True))
    found = s.map("add", largest, total)
    return found if keepdim else np.squeeze(found, tuple(s.axes(s.nodes(x), dims)))


def _softmax(s: Scalars, x: Any, dim: int, *_: Any) -> Nodes:
    powers = s.map("exp", s.map("sub", x, s.map("hold", _extreme(True)(s, x, [dim], True))))
    return s.map(s.graph.div, powers, _sum(s, powers, [dim], True))


def _softmax_backward(s: Scalars, grad: Any, y: Any, dim: int, *_: Any) -> Nodes:
    mean = _sum(s, s.map("mul", grad, y), [dim], True)
    return s.map("mul", y, s.map("sub", grad, mean))


def _log_softmax_backward(s: Scalars, grad: Any, y: Any, dim: int, *_: Any) -> Nodes:
    return s.map("sub", grad, s.map("mul", s.map("exp", y), _sum(s, grad, [dim], True)))


REDUCTIONS: Table = {
    "sum": _sum, "mean": _mean, "prod": lambda s, x, dims=None, keepdim=False, **_: s.reduce("mul", x, dims, keepdim),
    "var": _var, "std": lambda s, *a, **k: root_of_squares(s, _var(s, *a, **k)),
    "any": _truth("or"), "all": _truth("and"),
    "count_nonzero": lambda s, x, dims=None: _sum(s, s.truths(x), dims),
    "amax": _extreme(True), "amin": _extreme(False), "argmax": _place(True), "argmin": _place(False),
    "max": lambda s, x, *a, **k: _placed(True)(s, x, *a, **k) if a or k else _extreme(True)(s, x),
    "min": lambda s, x, *a, **k: _placed(False)(s, x, *a, **k) if a or k else _extreme(False)(s, x),
    "aminmax": lambda s, x, *, dim=None, keepdim=False: (_extreme(False)(s, x, dim, keepdim),
                                                         _extreme(True)(s, x, dim, keepdim)),
    "linalg_vector_norm": norm, "norm": norm,
    "cumsum": _running("add"), "cumprod": _running("mul"),
    "sort": sort, "argsort": lambda s, *a, **k: sort(s, *a, **k)[1], "topk": _topk, "median": _median,
    "logsumexp": _log_sum_exp, "_softmax": _softmax,
    "_softmax_backward_data": _softmax_backward, "_log_softmax_backward_data": _log_softmax_backward,
    "_log_softmax": lambda s, x, dim, *_: s.map("sub", x, _log_sum_exp(s, x, [dim], True)),
}  # fmt: skip

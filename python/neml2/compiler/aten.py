# SPDX-License-Identifier: MIT
"""What each ATen operation of a captured function means in scalar operations.

A tensor of one material point is a numpy array of point-graph nodes; views and reshapes are numpy's own. The table is
closed: an operation that is not in it cannot be lowered, and `Unsupported` says which one it was.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neml2.compiler.pointgraph import PointGraph

Nodes = NDArray[np.int64]
Handler = Callable[..., Any]


class Unsupported(NotImplementedError):
    """An ATen operation that has no meaning in scalar operations."""


class Scalars:
    """Scalar meanings of ATen operations, writing into one point graph."""

    def __init__(self, graph: PointGraph) -> None:
        self.graph = graph

    def nodes(self, value: Any) -> Nodes:
        """`value` (nodes, a number, or a constant array) as an array of nodes."""
        if isinstance(value, (np.ndarray, np.int64)) and value.dtype == np.int64:
            return np.asarray(value)
        constants = np.asarray(value)
        kind = bool if constants.dtype == np.bool_ else float
        flat = [self.graph.const(kind(v)) for v in constants.reshape(-1)]
        return np.array(flat, dtype=np.int64).reshape(constants.shape)

    def map(self, op: str | Callable[..., int], *operands: Any, numbers: bool = True) -> Nodes:
        """Apply an operation of the graph elementwise, with broadcasting; truth values become numbers first."""
        make = (lambda *a: self.graph.make(op, *a)) if isinstance(op, str) else op
        arrays = np.broadcast_arrays(*(self.nodes(x) for x in operands))
        columns = [a.reshape(-1).tolist() for a in arrays]
        if numbers:
            columns = [[self.graph.number(n) for n in column] for column in columns]
        flat = [make(*row) for row in zip(*columns, strict=True)]
        return np.array(flat, dtype=np.int64).reshape(arrays[0].shape)

    def reduce(self, op: str, x: Any, dims: Any, keepdim: bool, numbers: bool = True) -> Nodes:
        """Combine along `dims` (all when empty or None) in a balanced tree: the shortest chain, the least rounding."""
        x = self.nodes(x)
        axes = range(x.ndim) if dims is None or (isinstance(dims, (list, tuple)) and not dims) else dims
        axes = [axes] if isinstance(axes, int) else list(axes)
        for axis in sorted((a % x.ndim for a in axes), reverse=True) if x.ndim else []:
            parts = [np.take(x, k, axis=axis) for k in range(x.shape[axis])]
            if numbers:
                parts = [self.map(lambda n: n, part) for part in parts]
            while len(parts) > 1:
                pairs = zip(parts[::2], parts[1::2], strict=False)
                parts = [self.map(op, a, b, numbers=numbers) for a, b in pairs] + parts[len(parts) // 2 * 2 :]
            x = np.expand_dims(parts[0], axis) if keepdim else parts[0]
        return x

    def matmul(self, a: Any, b: Any) -> Nodes:
        """numpy's matmul on nodes."""
        a, b = self.nodes(a), self.nodes(b)
        vector_a, vector_b = a.ndim == 1, b.ndim == 1
        a = a[None, :] if vector_a else a
        b = b[:, None] if vector_b else b
        product = self.map("mul", a[..., :, :, None], b[..., None, :, :])
        total = self.reduce("add", product, [-2], False)
        total = total[..., 0, :] if vector_a else total
        return total[..., 0] if vector_b else total


def _scaled(s: Scalars, x: Any, alpha: Any) -> Any:
    return x if alpha in (None, 1) else s.map("mul", x, alpha)


def _slice(s: Scalars, x: Nodes, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Nodes:
    index: list[Any] = [slice(None)] * x.ndim
    index[dim] = slice(start, None if end is None or end >= x.shape[dim] else end, step)
    return x[tuple(index)]


def _at(x: Nodes, dim: int, index: Any) -> tuple[Any, ...]:
    where: list[Any] = [slice(None)] * x.ndim
    where[dim] = index
    return tuple(where)


def _embed(s: Scalars, shape: Any, where: Callable[[Nodes], tuple[Any, ...]], part: Nodes) -> Nodes:
    """Zeros of `shape` with `part` written at `where`."""
    out = np.full([int(n) for n in shape], s.graph.zero, dtype=np.int64)
    out[where(out)] = part
    return out


def _scatter(x: Nodes, where: tuple[Any, ...], part: Nodes) -> Nodes:
    out = np.array(x)
    out[where] = part
    return out


def _squeeze(s: Scalars, x: Nodes, dims: Any = None) -> Nodes:
    if dims is None:
        return x.squeeze()
    axes = tuple(d for d in ([dims] if isinstance(dims, int) else dims) if x.shape[d] == 1)
    return x.squeeze(axes) if axes else x


def _expand(s: Scalars, x: Nodes, shape: Any, **_: Any) -> Nodes:
    lead = len(shape) - x.ndim
    return np.broadcast_to(x, [x.shape[k - lead] if n == -1 else n for k, n in enumerate(shape)])


def _clamp(s: Scalars, x: Any, low: Any = None, high: Any = None) -> Nodes:
    x = s.nodes(x)
    if low is not None:
        x = _maximum(s, x, low)
    return x if high is None else _minimum(s, x, high)


def _minimum(s: Scalars, a: Any, b: Any) -> Nodes:
    return s.map(lambda x, y: s.graph.where(s.graph.make("le", x, y), x, y), a, b)


def _maximum(s: Scalars, a: Any, b: Any) -> Nodes:
    return s.map(lambda x, y: s.graph.where(s.graph.make("le", y, x), x, y), a, b)


def _diagonal(s: Scalars, x: Nodes, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Nodes:
    return np.diagonal(x, offset, dim1, dim2)


def _diagonal_scatter(s: Scalars, x: Nodes, part: Nodes, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Nodes:
    out = np.array(x)
    moved = np.moveaxis(out, (dim1, dim2), (-2, -1))  # a view of out
    n = part.shape[-1]
    rows, columns = np.arange(n) + max(-offset, 0), np.arange(n) + max(offset, 0)
    moved[..., rows, columns] = part
    return out


def _full(s: Scalars, shape: Any, value: Any = 0.0) -> Nodes:
    return np.full([int(n) for n in shape], s.graph.const(float(value)), dtype=np.int64)


def _cross(s: Scalars, a: Any, b: Any, dim: int = -1) -> Nodes:
    a, b = (np.moveaxis(x, dim, 0) for x in np.broadcast_arrays(s.nodes(a), s.nodes(b)))
    parts = [s.map("sub", s.map("mul", a[i], b[j]), s.map("mul", a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(parts), 0, dim)


def _mean(s: Scalars, x: Nodes, dims: Any = None, keepdim: bool = False, **_: Any) -> Nodes:
    total = s.reduce("add", x, dims, keepdim)
    return s.map(s.graph.div, total, max(x.size, 1) / total.size)


def _compare(op: str, swap: bool = False, negate: bool = False) -> Handler:
    def handler(s: Scalars, a: Any, b: Any) -> Nodes:
        a, b = (b, a) if swap else (a, b)
        result = s.map(op, a, b)
        return s.map("not", result, numbers=False) if negate else result

    return handler


def _elementwise(op: str) -> Handler:
    return lambda s, *operands, **_: s.map(op, *operands)


def _logical(op: str) -> Handler:
    return lambda s, *operands: s.map(op, *operands, numbers=False)


def _rounding(s: Scalars, a: Any, b: Any, rounding_mode: str | None = None) -> Nodes:
    quotient = s.map(s.graph.div, a, b)
    if rounding_mode is None:
        return quotient
    if rounding_mode == "floor":
        return s.map("floor", quotient)
    raise Unsupported(f"aten.div with rounding_mode={rounding_mode!r}")


def _tensor_where(s: Scalars, c: Any, a: Any, b: Any) -> Nodes:
    c, a, b = np.broadcast_arrays(s.nodes(c), s.map(lambda n: n, a), s.map(lambda n: n, b))
    return s.map(s.graph.where, c, a, b, numbers=False)


def _same(s: Scalars, x: Any, *_: Any, **__: Any) -> Any:
    return x


def _to_copy(s: Scalars, x: Any, *_: Any, dtype: Any = None, **__: Any) -> Any:
    return s.map(lambda n: n, x) if dtype is not None and dtype.is_floating_point else x


HANDLERS: dict[str, Handler] = {
    **{op: _elementwise(op) for op in ("neg", "sqrt", "exp", "log", "abs", "sign", "sin", "cos", "tan", "asin", "acos",
                                       "atan", "sinh", "cosh", "tanh", "floor", "pow", "mul")},
    "sgn": _elementwise("sign"), "reciprocal": _elementwise("recip"),
    "rsqrt": lambda s, x: s.map("recip", s.map("sqrt", x)),
    "square": lambda s, x: s.map("mul", x, x),
    "log10": lambda s, x: s.map("mul", s.map("log", x), 0.43429448190325182765),
    "log2": lambda s, x: s.map("mul", s.map("log", x), 1.4426950408889634074),
    "log1p": lambda s, x: s.map("log", s.map("add", x, 1.0)),
    "exp2": lambda s, x: s.map("pow", 2.0, x),
    "sigmoid": lambda s, x: s.map("recip", s.map("add", s.map("exp", s.map("neg", x)), 1.0)),
    "tanh_backward": lambda s, g, y: s.map("mul", g, s.map("sub", 1.0, s.map("mul", y, y))),
    "sigmoid_backward": lambda s, g, y: s.map("mul", g, s.map("mul", y, s.map("sub", 1.0, y))),
    "threshold_backward": lambda s, g, x, threshold: _tensor_where(s, s.map("le", x, threshold), 0.0, g),
    "add": lambda s, a, b, alpha=None: s.map("add", a, _scaled(s, b, alpha)),
    "sub": lambda s, a, b, alpha=None: s.map("sub", a, _scaled(s, b, alpha)),
    "rsub": lambda s, a, b, alpha=None: s.map("sub", b, _scaled(s, a, alpha)),
    "div": _rounding, "true_divide": _rounding,
    "addcmul": lambda s, x, a, b, value=None: s.map("add", x, _scaled(s, s.map("mul", a, b), value)),
    "maximum": _maximum, "minimum": _minimum, "clamp": _clamp,
    "clamp_min": lambda s, x, low: _clamp(s, x, low), "clamp_max": lambda s, x, high: _clamp(s, x, None, high),
    "relu": lambda s, x: _clamp(s, x, 0.0),
    "lt": _compare("lt"), "le": _compare("le"), "gt": _compare("lt", swap=True), "ge": _compare("le", swap=True),
    "eq": _compare("eq"), "ne": _compare("eq", negate=True),
    "logical_and": _logical("and"), "bitwise_and": _logical("and"), "logical_or": _logical("or"),
    "bitwise_or": _logical("or"), "logical_not": _logical("not"), "bitwise_not": _logical("not"),
    "where": _tensor_where,
    "masked_fill": lambda s, x, mask, value: _tensor_where(s, mask, value, x),
    "sum": lambda s, x, dims=None, keepdim=False, **_: s.reduce("add", x, dims, keepdim),
    "prod": lambda s, x, dims=None, keepdim=False, **_: s.reduce("mul", x, dims, keepdim),
    "mean": _mean,
    "any": lambda s, x, dims=None, keepdim=False: s.reduce("or", x, dims, keepdim, numbers=False),
    "all": lambda s, x, dims=None, keepdim=False: s.reduce("and", x, dims, keepdim, numbers=False),
    "mm": lambda s, a, b: s.matmul(a, b), "bmm": lambda s, a, b: s.matmul(a, b), "mv": lambda s, a, b: s.matmul(a, b),
    "matmul": lambda s, a, b: s.matmul(a, b), "dot": lambda s, a, b: s.matmul(a, b),
    "addmm": lambda s, c, a, b: s.map("add", c, s.matmul(a, b)),
    "linalg_cross": lambda s, a, b, *, dim=-1: _cross(s, a, b, dim),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "_reshape_copy"),
                    lambda s, x, shape: x.reshape([int(n) for n in shape])),
    "expand": _expand, "broadcast_to": _expand,
    "repeat": lambda s, x, repeats: np.tile(x, repeats),
    "unsqueeze": lambda s, x, dim: np.expand_dims(x, dim), "squeeze": _squeeze,
    "select": lambda s, x, dim, index: np.asarray(np.take(x, index, axis=dim)),
    "slice": _slice, "permute": lambda s, x, dims: np.transpose(x, dims),
    "transpose": lambda s, x, a, b: np.swapaxes(x, a, b), "t": lambda s, x: x.T,
    "movedim": lambda s, x, a, b: np.moveaxis(x, a, b),
    "flip": lambda s, x, dims: np.flip(x, dims), "diagonal": _diagonal,
    "unbind": lambda s, x, dim=0: [np.asarray(p) for p in np.moveaxis(x, dim, 0)],
    "split_with_sizes": lambda s, x, sizes, dim=0: np.split(x, np.cumsum(sizes)[:-1], axis=dim),
    "split": lambda s, x, size, dim=0: np.split(x, range(size, x.shape[dim], size), axis=dim),
    "cat": lambda s, parts, dim=0: np.concatenate([s.nodes(p) for p in parts], axis=dim),
    "stack": lambda s, parts, dim=0: np.stack([s.nodes(p) for p in parts], axis=dim),
    "constant_pad_nd": lambda s, x, pad, value=0.0: np.pad(
        s.nodes(x), [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[k], pad[k + 1]) for k in range(len(pad) - 2, -1, -2)],
        constant_values=s.graph.const(float(value))),
    "select_backward": lambda s, part, shape, dim, index: _embed(s, shape, lambda x: _at(x, dim, index), part),
    "slice_backward": lambda s, part, shape, dim, start, end, step: _embed(
        s, shape, lambda x: _at(x, dim, slice(start, min(end, shape[dim]), step)), part),
    "diagonal_backward": lambda s, part, shape, offset, a, b: _diagonal_scatter(s, _full(s, shape), part, offset, a, b),
    "select_scatter": lambda s, x, part, dim, index: _scatter(x, _at(x, dim, index), part),
    "slice_scatter": lambda s, x, part, dim=0, start=None, end=None, step=1: _scatter(
        x, _at(x, dim, slice(start, None if end is None else min(end, x.shape[dim]), step)), part),
    "diagonal_scatter": _diagonal_scatter,
    "diag_embed": lambda s, x: _diagonal_scatter(
        s, _full(s, (*x.shape, x.shape[-1])), x, 0, x.ndim - 1, x.ndim),
    "full": lambda s, shape, value, **_: _full(s, shape, value), "zeros": lambda s, shape, **_: _full(s, shape),
    "ones": lambda s, shape, **_: _full(s, shape, 1.0), "scalar_tensor": lambda s, value, **_: _full(s, (), value),
    "full_like": lambda s, x, value, **_: _full(s, x.shape, value),
    "zeros_like": lambda s, x, **_: _full(s, x.shape), "ones_like": lambda s, x, **_: _full(s, x.shape, 1.0),
    "new_zeros": lambda s, x, shape, **_: _full(s, shape), "new_ones": lambda s, x, shape, **_: _full(s, shape, 1.0),
    "new_full": lambda s, x, shape, value, **_: _full(s, shape, value),
    "fill": lambda s, x, value: _full(s, x.shape, value),
    "eye": lambda s, n, m=None, **_: s.nodes(np.eye(n, m)),
    "arange": lambda s, *bounds, **_: s.nodes(np.arange(*map(float, bounds))),
    "_efficientzerotensor": lambda s, shape, **_: _full(s, shape),
    "_to_copy": _to_copy,
    **dict.fromkeys(("clone", "alias", "detach", "contiguous", "lift_fresh_copy", "lift_fresh", "resolve_conj",
                     "_conj", "_neg_view", "positive"), _same),
}  # fmt: skip

_IGNORED = ("_assert", "sym_constrain_range", "_assert_async")


def call(s: Scalars, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The scalar meaning of one node of a captured graph."""
    if target is operator.getitem:
        return args[0][args[1]]
    name = getattr(target, "_opname", None) or getattr(target, "__name__", str(target)).split(".")[0]
    if name.startswith(_IGNORED):
        return None
    handler = HANDLERS.get(name) or HANDLERS.get(name.removesuffix("_copy"))
    if handler is None:
        raise Unsupported(str(target))
    keywords = {k: v for k, v in kwargs.items() if k not in ("device", "layout", "pin_memory", "memory_format")}
    if name != "_to_copy":
        keywords.pop("dtype", None)
    return handler(s, *args, **keywords)

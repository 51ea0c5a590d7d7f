# SPDX-License-Identifier: MIT
"""Arrays of point-graph nodes, and the few ways in which meanings of ATen operations combine them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neml2.compiler.graph.pointgraph import PointGraph

Nodes = NDArray[np.int64]
Handler = Callable[..., Any]
Table = dict[str, Handler]

UNWRITTEN = -1
"""In place of a node: an entry of `torch.empty`, which nobody may read before it is written."""


class Unsupported(NotImplementedError):
    """Why an ATen operation has no meaning in scalar operations, and what to do instead."""


class Scalars:
    """Scalar meanings of ATen operations, writing into one point graph whose numbers have `bits` bits."""

    def __init__(self, graph: PointGraph, bits: int = 64) -> None:
        self.graph, self.bits = graph, bits

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
        if any(UNWRITTEN in column for column in columns):
            raise Unsupported("entries of torch.empty are read before they are written: use torch.zeros")
        if numbers:
            columns = [[self.graph.number(n) for n in column] for column in columns]
        flat = [make(*row) for row in zip(*columns, strict=True)]
        return np.array(flat, dtype=np.int64).reshape(arrays[0].shape)

    def numbers(self, x: Any) -> Nodes:
        """Truth values as 1 and 0."""
        return self.map(lambda n: n, x)

    def truths(self, x: Any) -> Nodes:
        """Numbers as whether they are not zero."""
        g = self.graph
        return self.map(lambda n: n if g.is_truth(n) else g.logical_not(g.make("eq", n, g.zero)), x, numbers=False)

    def where(self, condition: Any, a: Any, b: Any) -> Nodes:
        """`a` where the condition holds, else `b`, entry by entry."""
        return self.map(
            self.graph.where,
            *np.broadcast_arrays(self.truths(condition), self.numbers(a), self.numbers(b)),
            numbers=False,
        )

    def constants(self, x: Any) -> NDArray[Any] | None:
        """The values of constant entries as an array of whole numbers or truth values; None if one is no constant."""
        x = self.nodes(x)
        values = [self.graph.constant_of(int(n)) for n in x.reshape(-1)]
        if any(v is None for v in values):
            return None
        kind = bool if values and all(isinstance(v, bool) for v in values) else int
        return np.array([kind(v) for v in values], dtype=kind).reshape(x.shape)  # type: ignore[arg-type]

    def hold(self, value: int, about: Any, rule: Callable[[], list[tuple[int, int]]]) -> int:
        """A node with a derivative of its own; see PointGraph.hold."""
        return self.graph.hold(int(value), about, rule)

    def ruled(
        self, value: Callable[[Nodes], Nodes], slope: Callable[[PointGraph, int], int], about: str, x: Any
    ) -> Nodes:
        """A function of one number, entry by entry, whose derivative at a node is `slope` and not that of its parts."""
        g = self.graph

        def one(n: int) -> int:
            found = int(value(np.asarray(n, dtype=np.int64)))
            return g.hold(found, (about, n), lambda: [(n, slope(g, n))])

        return self.map(one, x)

    def axes(self, x: Nodes, dims: Any) -> list[int]:
        """Axes as numbers from 0 on: all when `dims` is empty or None."""
        every = dims is None or (isinstance(dims, (list, tuple)) and not dims)
        chosen = range(x.ndim) if every else [dims] if isinstance(dims, int) else dims
        return [a % x.ndim for a in chosen] if x.ndim else []

    def reduce(self, op: str | Callable[..., int], x: Any, dims: Any, keepdim: bool, numbers: bool = True) -> Nodes:
        """Combine along `dims` (all when empty or None) in a balanced tree: the shortest chain, the least rounding."""
        x = self.nodes(x)
        for axis in sorted(self.axes(x, dims), reverse=True):
            parts = [np.take(x, k, axis=axis) for k in range(x.shape[axis])]
            if numbers:
                parts = [self.numbers(part) for part in parts]
            while len(parts) > 1:
                pairs = zip(parts[::2], parts[1::2], strict=False)
                parts = [self.map(op, a, b, numbers=numbers) for a, b in pairs] + parts[len(parts) // 2 * 2 :]
            if not parts:
                empty = {"add": self.graph.zero, "mul": self.graph.one, "and": self.graph.const(True)}
                if not isinstance(op, str):
                    raise Unsupported("a largest or smallest entry of none")
                parts = [np.full(np.delete(x.shape, axis), empty.get(op, self.graph.const(False)), dtype=np.int64)]
            x = np.expand_dims(parts[0], axis) if keepdim else parts[0]
        return x

    def dot(self, a: Iterable[int], b: Iterable[int]) -> Nodes:
        """The sum of products."""
        products = np.array([self.graph.mul(int(x), int(y)) for x, y in zip(a, b, strict=True)], dtype=np.int64)
        return self.nodes(self.reduce("add", products, None, False))

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

    def each(self, function: Callable[[Nodes], Sequence[Nodes]], x: Any) -> list[Nodes]:
        """A function of a matrix, for each of a stack of them."""
        x = self.nodes(x)
        lead, flat = x.shape[:-2], x.reshape(-1, *x.shape[-2:])
        found = list(zip(*(function(m) for m in flat), strict=True))
        return [np.stack([np.asarray(p) for p in part]).reshape((*lead, *np.shape(part[0]))) for part in found]


def scaled(s: Scalars, x: Any, alpha: Any) -> Any:
    """`alpha` times x; None stands for one."""
    return x if alpha in (None, 1) else s.map("mul", x, alpha)


def full(s: Scalars, shape: Any, value: Any = 0.0) -> Nodes:
    """A constant everywhere."""
    return np.full([int(n) for n in shape], s.graph.const(float(value)), dtype=np.int64)

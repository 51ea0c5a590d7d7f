# SPDX-License-Identifier: MIT
"""Operations on tensors that have sites along one axis, captured once for all sites.

Grains, cells and size classes are axes within a point on which most operations work entry by entry. A tensor with such
an axis is `Along`: its nodes stand for all sites at once, so that neither the graph nor its derivatives grow with their
number. What an operation does to sites follows from its kind: entry by entry, a reduction (which may sum over them), a
product of matrices, or a movement of entries. What a movement does to sites is seen by moving their numbers. An
operation that mixes sites in another way is `Unsupported` here; the caller writes the sites out one by one instead.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neml2.compiler.frontend import aten
from neml2.compiler.frontend.aten.scalars import Nodes, Scalars, Unsupported
from neml2.compiler.graph.pointgraph import COMMUTATIVE, LEAVES

FEWEST = 4
"""Axes with fewer sites are written out."""

_MOST_RUNS = 4
"""Parts from different sources along the sites of one value."""

_HERE = -2
"""Numbers of sites are moved as _HERE - i: nodes are not negative."""


@dataclass(frozen=True, eq=False)
class Along:
    """`nodes` has length 1 along `axis`, in place of the `size` sites; or, where products of matrices fold axes into
    one, the length of the axes that are folded behind that of the sites."""

    nodes: Nodes
    axis: int
    size: int

    @property
    def inner(self) -> int:
        return int(self.nodes.shape[self.axis])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(n * (self.size if k == self.axis else 1) for k, n in enumerate(self.nodes.shape))

    @property
    def ndim(self) -> int:
        return self.nodes.ndim

    def full(self) -> Nodes:
        """An array of the tensor's shape, the nodes repeated."""
        if self.inner == 1:
            return np.broadcast_to(self.nodes, self.shape)
        return np.tile(self.nodes, [self.size if k == self.axis else 1 for k in range(self.ndim)])

    def numbers(self) -> Nodes:
        """An array of the tensor's shape that holds where each entry is along the sites."""
        lead = [1] * self.ndim
        lead[self.axis] = self.size * self.inner
        sites = np.repeat(np.arange(self.size, dtype=np.int64), self.inner)
        return np.broadcast_to(_HERE - sites.reshape(lead), self.shape)

    def map(self, function: Callable[[Nodes], Nodes]) -> Along:
        return Along(function(self.nodes), self.axis, self.size)


def call(s: Scalars, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The meaning of an operation of a trace, for operands of which some may be `Along`. Raises Unsupported."""
    name = aten.name_of(target)
    if name is None or not any(isinstance(x, Along) for x in _flat((args, kwargs))):
        return aten.call(s, target, args, kwargs)
    for table, rule in _RULES:
        if name in table:
            return rule(s, target, name, args, kwargs)
    raise _mixes(name)


def _mixes(name: str) -> Unsupported:
    return Unsupported(f"torch.{name.strip('_')} mixes sites")


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = tuple(value.values())
    return [leaf for x in value for leaf in _flat(x)] if isinstance(value, (tuple, list)) else [value]


def _each(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_each(x, function) for x in value)
    if isinstance(value, dict):
        return {k: _each(x, function) for k, x in value.items()}
    return function(value)


def check(s: Scalars, value: Any, shape: Sequence[int]) -> None:
    """Raises Unsupported where `value` cannot be a tensor of `shape`: a rule has met what it was not written for."""
    if isinstance(value, Along):
        ok = value.shape == tuple(shape)
    else:
        ok = not any(n >= 0 and s.graph.size[n] for n in np.ravel(value).tolist())
    if not ok:
        raise Unsupported(f"sites are lost in a tensor of shape {tuple(shape)}")


# ---- arrays of nodes, read along an axis ----------------------------------------------------------------------------


def along(s: Scalars, x: Nodes, axis: int, inner: int = 1) -> Along:
    """An array as a value at sites along `axis`: entries that are equal there, or constants."""
    return _gathered(s, x, np.full(x.shape, -1, dtype=np.int64), axis, inner)


def _read(s: Scalars, nodes: Nodes, numbers: Nodes) -> Nodes | Along:
    """Nodes that have been moved, with the numbers of their sites moved alike."""
    moved = numbers <= _HERE
    varying = [a for a in range(nodes.ndim) if _varies(numbers, moved, a)]
    if len(varying) > 1:
        raise Unsupported("one tensor has sites along two axes")
    if varying and nodes.shape[varying[0]] >= FEWEST:
        return _gathered(s, nodes, numbers, varying[0], _inner(numbers, varying[0]))
    flat = zip(nodes.reshape(-1).tolist(), numbers.reshape(-1).tolist(), strict=True)
    found = [s.graph.at(n, _HERE - i) if i <= _HERE else n for n, i in flat]
    return np.array(found, dtype=np.int64).reshape(nodes.shape)


def _varies(numbers: Nodes, moved: Any, axis: int) -> bool:
    a, b = (np.moveaxis(x, axis, 0) for x in (numbers, moved))
    return bool(np.any((a[1:] != a[:-1]) & b[1:] & b[:-1]))


def _inner(numbers: Nodes, axis: int) -> int:
    """How many entries in a row each site has along `axis`, 1 unless all have as many."""
    rows = np.moveaxis(numbers, axis, -1).reshape(-1, numbers.shape[axis])
    row = rows[int(np.argmax((rows <= _HERE).all(1)))]
    inner = int(np.argmax(row != row[0])) or 1
    if len(row) % inner or len(row) // inner < FEWEST:
        return 1
    return inner if (row == row[0] - np.arange(len(row)) // inner).all() else 1


def _gathered(s: Scalars, nodes: Nodes, numbers: Nodes, axis: int, inner: int = 1) -> Along:
    size = nodes.shape[axis] // inner
    lead = np.moveaxis(nodes, axis, 0).shape[1:]
    columns = [np.moveaxis(x, axis, 0).reshape(size, -1).T for x in (nodes, numbers)]
    found = [_column(s, n, i) for n, i in zip(*columns, strict=True)]
    placed = np.array(found, dtype=np.int64).reshape(inner, *lead)
    return Along(np.moveaxis(placed, 0, axis), axis, size)


def _column(s: Scalars, nodes: Nodes, numbers: Nodes) -> int:
    """One node for the entries along the sites: where they come from several places, chosen by the site."""
    g, size = s.graph, len(nodes)
    moved = numbers <= _HERE
    joined = (nodes[1:] == nodes[:-1]) & moved[1:] & moved[:-1] & (numbers[1:] == numbers[:-1] - 1)
    kinds = [None if m or n < 0 else g.op[n] for n, m in zip(nodes.tolist(), moved.tolist(), strict=True)]
    joined |= [a is not None and a == b for a, b in itertools.pairwise(kinds)]
    starts = [0, *(np.flatnonzero(~joined) + 1).tolist()]
    if len(starts) > _MOST_RUNS:
        raise Unsupported(f"{len(starts)} different values side by side")
    found: int | None = None
    for start, stop in reversed(list(zip(starts, [*starts[1:], size], strict=True))):
        if moved[start]:
            part = g.shift(int(nodes[start]), _HERE - int(numbers[start]) - start, size)
        else:
            part = _alike(s, [int(nodes[min(max(i, start), stop - 1)]) for i in range(size)])
        found = part if found is None else g.where(g.table([i < stop for i in range(size)]), part, found)
    assert found is not None
    return found


def _alike(s: Scalars, nodes: list[int]) -> int:
    """One node for nodes of the whole point that differ in constants only."""
    g, first = s.graph, nodes[0]
    if len(set(nodes)) == 1:
        return first
    if all(g.op[n] == "const" for n in nodes):
        return g.table([g.value[n] for n in nodes])
    if any(g.op[n] != g.op[first] or g.op[n] in LEAVES or n in g.rules or g.size[n] for n in nodes):
        raise Unsupported("different values side by side")
    args = [g.args[n] for n in nodes]
    if g.op[first] in COMMUTATIVE:  # operands stand in no particular order: constants first
        args = [tuple(sorted(pair, key=lambda a: (g.op[a] != "const", a))) for pair in args]
    return g.make(g.op[first], *(_alike(s, list(column)) for column in zip(*args, strict=True)))


# ---- kinds of operations --------------------------------------------------------------------------------------------


def _entry_by_entry(s: Scalars, target: Any, name: str, args: Any, kwargs: Any) -> Along:
    some = [x for x in _flat((args, kwargs)) if isinstance(x, Along)]
    back, size, inner = some[0].axis - some[0].ndim, some[0].size, some[0].inner
    if any((x.axis - x.ndim, x.size, x.inner) != (back, size, inner) for x in some):
        raise _mixes(name)

    def placed(x: Any) -> Any:
        if isinstance(x, Along):
            return x.nodes
        if isinstance(x, np.ndarray) and x.ndim >= -back and x.shape[back] == size * inner:
            return along(s, x, x.ndim + back, inner).nodes
        return x

    found = aten.call(s, target, _each(args, placed), _each(kwargs, placed))
    return Along(found, found.ndim + back, size)


def _moved(s: Scalars, target: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Moves the nodes, and the numbers of their sites."""
    first, rest = args[0], args[1:]
    if name in _INDEXED:
        places = rest[0] if name != "gather" else rest[1]
        if any(isinstance(x, Along) or (x is not None and s.constants(x) is None) for x in _flat((places,))):
            raise _mixes(name)
        if name == "index_put":
            if len(rest) > 2 and rest[2]:
                raise _mixes(name)
            parts = [_probe(s, x) for x in (first, rest[1])]
            runs = [aten.call(s, target, (x, places, y), kwargs) for x, y in zip(*parts, strict=True)]
            return _read(s, *runs)
        runs = [aten.call(s, target, (x, *rest), kwargs) for x in _probe(s, first)]
        return _read(s, *runs)
    runs = [
        aten.call(s, target, *_each((args, kwargs), lambda x: _probe(s, x)[k] if _is_tensor(x) else x))  # noqa: B023
        for k in (0, 1)
    ]
    if isinstance(runs[0], (list, tuple)):
        return type(runs[0])(_read(s, a, b) for a, b in zip(*runs, strict=True))
    return _read(s, *runs)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, (Along, np.ndarray))


def _probe(s: Scalars, x: Any) -> tuple[Nodes, Nodes]:
    """Nodes, and the numbers of their sites, of a tensor of any kind."""
    if isinstance(x, Along):
        return x.full(), x.numbers()
    x = s.nodes(x)
    return x, np.full(x.shape, -1, dtype=np.int64)


_INDEXED = ("index", "_unsafe_index", "index_select", "gather", "take", "masked_select", "index_put")


def _reduced(s: Scalars, target: Any, name: str, args: Any, kwargs: Any) -> Any:
    x, place = args[0], 2 if "norm" in name else 1
    dims = args[place] if len(args) > place else kwargs.get("dim", kwargs.get("dims"))
    if not isinstance(x, Along) or any(isinstance(a, Along) for a in _flat((args[1:], kwargs))):
        raise _mixes(name)
    axes = s.axes(x.nodes, dims)
    keep = bool(kwargs.get("keepdim", args[place + 1] if len(args) > place + 1 and name not in _RUNNING else False))
    if x.axis in axes:
        if name not in ("sum", "mean"):
            raise _mixes(name)
        return _summed(s, x, axes, keep, name == "mean")
    found = aten.call(s, target, (x.nodes, *args[1:]), kwargs)
    kept = found[0].ndim if isinstance(found, tuple) else found.ndim
    axis = x.axis if kept == x.ndim else x.axis - sum(a < x.axis for a in axes)
    results = [Along(r, axis, x.size) for r in (found if isinstance(found, tuple) else (found,))]
    return tuple(results) if isinstance(found, tuple) else results[0]


_RUNNING = ("cumsum", "cumprod", "sort", "argsort", "_softmax", "_log_softmax")


def _summed(s: Scalars, x: Along, axes: Sequence[int], keep: bool, mean: bool) -> Nodes:
    g = s.graph
    others = [a for a in axes if a != x.axis]
    part = s.reduce("add", x.nodes, others, True) if others else s.numbers(x.nodes)
    total = s.map(lambda n: g.total(n) if g.size[n] else g.mul(g.const(float(x.size)), n), part)
    total = s.reduce("add", total, [x.axis], True)
    if mean:
        total = s.map(g.div, total, float(np.prod([x.shape[a] for a in axes])))
    return total if keep else np.squeeze(total, tuple(axes))


def _product(s: Scalars, target: Any, name: str, args: Any, kwargs: Any) -> Along:
    """Products of matrices: sites may be a batch of them, rows of the first or columns of the second."""
    a, b = args[-2:]
    batch = name in ("bmm", "baddbmm")
    size = next(x.size for x in args if isinstance(x, Along))
    if batch and any(isinstance(x, Along) and x.axis == 0 for x in (a, b)):
        a, b = (x if isinstance(x, Along) else along(s, x, 0) if x.shape[0] == size else x for x in (a, b))
    places = {_kept(a, a.ndim - 1, 0)} | {_kept(b, max(b.ndim - 2, 0), a.ndim - b.ndim)}
    places.discard(None)
    if len(places) != 1:
        raise _mixes(name)
    axis = places.pop()
    assert axis is not None
    found = s.matmul(*(x.nodes if isinstance(x, Along) else x for x in (a, b)))
    product = Along(found, axis, size)
    if len(args) == 2:
        return product
    alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
    parts = [
        x if factor == 1 else _entry_by_entry(s, "mul", "mul", (x, factor), {})
        for x, factor in ((args[0], beta), (product, alpha))
    ]
    return _entry_by_entry(s, "add", "add", tuple(parts), {})


def _kept(x: Any, contracted: int, lead: int) -> int | None:
    """Where the sites of a factor are in a product whose axes are `lead` more than its own."""
    if not isinstance(x, Along):
        return None
    if x.axis == contracted:
        raise Unsupported("a product of matrices sums over sites")
    return x.axis + lead


def _of_matrices(s: Scalars, target: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Functions of each of a stack of matrices."""
    some = [x for x in _flat((args, kwargs)) if isinstance(x, Along)]
    axis, size = some[0].axis, some[0].size
    if any((x.axis, x.size) != (axis, size) for x in some) or axis >= some[0].ndim - 2 or some[0].inner > 1:
        raise _mixes(name)

    def placed(x: Any) -> Any:
        if isinstance(x, Along):
            return x.nodes
        if isinstance(x, np.ndarray) and x.ndim > axis and x.shape[axis] == size:
            return along(s, x, axis).nodes
        return x

    found = aten.call(s, target, _each(args, placed), _each(kwargs, placed))
    return _each(found, lambda r: Along(r, axis, size) if np.ndim(r) > axis else r)


_PRODUCTS = frozenset(("mm", "bmm", "mv", "dot", "addmm", "addmv", "baddbmm"))

_RULES: list[tuple[Any, Callable[..., Any]]] = [
    (frozenset(("linalg_cross",)), _entry_by_entry),
    (_PRODUCTS, _product),
    (frozenset(_INDEXED) | frozenset(aten.MOVING), _moved),
    (frozenset(aten.REDUCTIONS), _reduced),
    (frozenset(aten.ALGEBRA), _of_matrices),
    (frozenset(aten.ELEMENTWISE) | frozenset(("fill", "copy", "empty_like")), _entry_by_entry),
]

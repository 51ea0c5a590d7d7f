# SPDX-License-Identifier: MIT
"""Entries at places that a tensor names: constants, or numbers that are known at run time only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neml2.compiler.frontend.aten.scalars import Nodes, Scalars, Table, Unsupported, full
from neml2.compiler.frontend.aten.shapes import MOVING, written


def _choose(s: Scalars, table: Any, places: Nodes) -> Nodes:
    """table[places] along the first axis, at places that are known at run time: a chain of selections."""
    places = s.nodes(places)
    wide = places.reshape(*places.shape, *([1] * (table.ndim - 1)))
    found = np.broadcast_to(table[0], (*places.shape, *table.shape[1:]))
    for k in range(1, len(table)):
        here = s.map("eq", wide, float(k))
        here = s.map("or", here, s.map("eq", wide, float(k - len(table))), numbers=False)
        found = s.where(here, table[k], found)
    return found


def _places(s: Scalars, indices: Any) -> tuple[Any, ...] | None:
    """Indices of numpy; None where one is known at run time only."""
    found = [slice(None) if i is None else s.constants(i) for i in indices]
    return None if any(i is None for i in found) else tuple(found)


def _index(s: Scalars, x: Any, indices: Any) -> Nodes:
    x, places = s.nodes(x), _places(s, indices)
    if places is not None:
        return np.asarray(x[places])
    given = [k for k, i in enumerate(indices) if i is not None]
    if len(given) != 1:
        raise Unsupported("several indices of which one is computed: use torch.where, or index one axis at a time")
    (axis,) = given
    count = np.ndim(indices[axis])
    found = _choose(s, np.moveaxis(x, axis, 0), indices[axis])
    return np.moveaxis(found, range(count), range(axis, axis + count))


def _index_put(s: Scalars, x: Any, indices: Any, values: Any, accumulate: bool = False, *_: Any) -> Nodes:
    x, values, places = s.nodes(x), s.nodes(values), _places(s, indices)
    if places is None:
        mask = s.nodes(indices[0])
        if len(indices) > 1 or values.size != 1 or not all(map(s.graph.is_truth, mask.reshape(-1).tolist())):
            raise Unsupported("assignment at computed places: use torch.where")
        value = values.reshape(()) if not accumulate else s.map("add", x, values.reshape(()))
        return s.where(mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim)), value, x)
    if not accumulate:
        return written(s, x, places, values)
    flat = np.arange(x.size).reshape(x.shape)[places]
    return _added(s, x, flat, np.broadcast_to(values, flat.shape))


def _added(s: Scalars, x: Nodes, flat: Any, values: Nodes) -> Nodes:
    out = np.array(s.numbers(x)).reshape(-1)
    for place, value in zip(flat.reshape(-1), values.reshape(-1), strict=True):
        out[place] = s.graph.add(int(out[place]), s.graph.number(int(value)))
    return out.reshape(x.shape)


def _along(x: Nodes, dim: int, places: Any) -> tuple[Any, ...]:
    """Numpy's index of the entries that gather(x, dim, places) takes."""
    where = list(np.indices(places.shape))
    if where:
        where[dim] = places
    return tuple(where)


def _gather(s: Scalars, x: Any, dim: int, index: Any, **_: Any) -> Nodes:
    x, places = s.nodes(x), s.constants(index)
    if x.ndim == 0:
        return x
    if places is not None:
        return x[_along(x, dim, places)]
    index = s.nodes(index)
    others = tuple(slice(n) for n in index.shape)
    columns = [np.take(x, k, axis=dim) for k in range(x.shape[dim])]
    keep = tuple(o for a, o in enumerate(others) if a != dim % x.ndim)
    found = np.broadcast_to(np.expand_dims(columns[0][keep], dim), index.shape)
    for k, column in enumerate(columns[1:], 1):
        found = s.where(s.map("eq", index, float(k)), np.expand_dims(column[keep], dim), found)
    return found


def _scatter(add: bool) -> Callable[..., Nodes]:
    def handler(s: Scalars, x: Any, dim: int, index: Any, values: Any, *, reduce: str | None = None) -> Nodes:
        if reduce not in (None, "sum", "add"):
            raise Unsupported(f"scatter with reduce={reduce!r}: 'sum' is supported")
        adding = add or reduce is not None
        x, places = s.nodes(x), s.constants(index)
        index = s.nodes(index)
        values = s.nodes(values)
        values = values[tuple(slice(n) for n in index.shape)] if values.ndim else np.broadcast_to(values, index.shape)
        if places is not None:
            flat = np.arange(x.size).reshape(x.shape)[_along(x, dim, places)]
            if adding:
                return _added(s, x, flat, values)
            out = np.array(x).reshape(-1)
            out[flat.reshape(-1)] = values.reshape(-1)
            return out.reshape(x.shape)
        if not x.ndim:
            return s.map("add", x, values) if adding else values
        out = np.moveaxis(np.array(x), dim, 0)
        rows, sources = np.moveaxis(index, dim, 0), np.moveaxis(values, dim, 0)
        region = tuple(slice(n) for n in rows.shape[1:])
        for place, source in zip(rows, sources, strict=True):
            for k in range(len(out)):
                before = out[(k, *region)]
                after = s.map("add", before, source) if adding else source
                out[(k, *region)] = s.where(s.map("eq", place, float(k)), after, before)
        return np.moveaxis(out, 0, dim)

    return handler


def _index_select(s: Scalars, x: Any, dim: int, index: Any) -> Nodes:
    x = s.nodes(x)
    return x if not x.ndim else _index(s, x, [None] * (dim % x.ndim) + [np.atleast_1d(s.nodes(index))])


def _index_write(add: bool) -> Callable[..., Nodes]:
    def handler(s: Scalars, x: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Nodes:
        x, places = s.nodes(x), s.constants(index)
        if places is None:
            raise Unsupported("writing at computed places: use torch.where")
        flat = np.take(np.arange(x.size).reshape(x.shape), places, axis=dim)
        values = np.broadcast_to(s.map("mul", source, alpha) if add and alpha != 1 else s.nodes(source), flat.shape)
        if add:
            return _added(s, x, flat, values)
        out = np.array(x).reshape(-1)
        out[flat.reshape(-1)] = values.reshape(-1)
        return out.reshape(x.shape)

    return handler


def _masked_select(s: Scalars, x: Any, mask: Any) -> Nodes:
    x, mask = np.broadcast_arrays(s.nodes(x), s.nodes(mask))
    return x[s.constants(mask)]


def _gathered_back(name: str) -> Callable[..., Nodes]:
    """The gradient of an operation that only moves entries: each goes back to where it came from."""

    def handler(s: Scalars, grad: Nodes, x: Any, *args: Any) -> Nodes:
        shape = tuple(x) if isinstance(x, (tuple, list)) else np.shape(x)
        origin = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
        return _added(s, full(s, shape), MOVING[name](s, origin, *args), grad)

    return handler


INDEXING: Table = {
    "index": _index, "_unsafe_index": _index, "index_put": _index_put, "_index_put_impl": _index_put,
    "_unsafe_index_put": _index_put, "index_select": _index_select, "index_add": _index_write(True),
    "index_copy": _index_write(False), "index_fill": _index_write(False),
    "gather": _gather, "scatter": _scatter(False), "scatter_add": _scatter(True),
    "take": lambda s, x, index: _index(s, s.nodes(x).reshape(-1), [index]),
    "masked_select": _masked_select,
    **{f"{name}_backward": _gathered_back(name) for name in ("unfold", "reflection_pad1d", "replication_pad1d")},
}  # fmt: skip

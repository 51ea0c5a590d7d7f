# SPDX-License-Identifier: MIT
"""Operations that make, move, select and join entries without computing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neml2.compiler.frontend.aten.scalars import UNWRITTEN, Nodes, Scalars, Table, Unsupported, full


def _slice(s: Scalars, x: Nodes, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Nodes:
    return x[_range(x, dim, start, end, step)]


def _at(x: Nodes, dim: int, index: Any) -> tuple[Any, ...]:
    where: list[Any] = [slice(None)] * x.ndim
    where[dim] = index
    return tuple(where)


def _range(x: Nodes, dim: int, start: Any, end: Any, step: int) -> tuple[Any, ...]:
    return _at(x, dim, slice(start, None if end is None else min(end, x.shape[dim]), step))


def _embed(s: Scalars, shape: Any, where: Callable[[Nodes], tuple[Any, ...]], part: Nodes) -> Nodes:
    """Zeros of `shape` with `part` written at `where`."""
    out = full(s, shape)
    out[where(out)] = part
    return out


def written(s: Scalars, x: Any, where: tuple[Any, ...], part: Any) -> Nodes:
    """A copy of x with `part` written at `where`."""
    out = np.array(s.nodes(x))
    out[where] = s.nodes(part)
    return out


def _squeeze(s: Scalars, x: Nodes, dims: Any = None) -> Nodes:
    if dims is None:
        return x.squeeze()
    axes = tuple(d for d in ([dims] if isinstance(dims, int) else dims) if x.ndim and x.shape[d] == 1)
    return x.squeeze(axes) if axes else x


def _expand(s: Scalars, x: Nodes, shape: Any, **_: Any) -> Nodes:
    lead = len(shape) - x.ndim
    return np.broadcast_to(x, [x.shape[k - lead] if n == -1 else n for k, n in enumerate(shape)])


def diagonal_scatter(s: Scalars, x: Nodes, part: Nodes, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Nodes:
    out = np.array(x)
    moved = np.moveaxis(out, (dim1, dim2), (-2, -1))  # a view of out
    n = part.shape[-1]
    rows, columns = np.arange(n) + max(-offset, 0), np.arange(n) + max(offset, 0)
    moved[..., rows, columns] = part
    return out


def _diag_embed(s: Scalars, x: Nodes, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Nodes:
    n = x.shape[-1] + abs(offset)
    out = diagonal_scatter(s, full(s, (*x.shape[:-1], n, n)), x, offset, -2, -1)
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


def _triangle(upper: bool) -> Callable[..., Nodes]:
    def handler(s: Scalars, x: Nodes, diagonal: int = 0) -> Nodes:
        rows, columns = np.indices(x.shape[-2:])
        kept = columns - rows >= diagonal if upper else columns - rows <= diagonal
        return np.where(kept, x, s.graph.zero)

    return handler


def _roll(s: Scalars, x: Nodes, shifts: Any, dims: Any = ()) -> Nodes:
    if not dims:
        return np.roll(x, shifts)
    return np.roll(x, tuple(shifts), tuple(dims)) if isinstance(shifts, (tuple, list)) else np.roll(x, shifts, dims)


def _pad(s: Scalars, x: Any, pad: Any, value: float = 0.0) -> Nodes:
    x = s.nodes(x)
    for axis, before, after in _padded_axes(x, pad):
        x = x[_at(x, axis, slice(max(-before, 0), x.shape[axis] - max(-after, 0)))]
        width = [(0, 0)] * x.ndim
        width[axis] = (max(before, 0), max(after, 0))
        x = np.pad(x, width, constant_values=s.graph.const(float(value)))
    return x


def _padded_axes(x: Nodes, pad: Any) -> list[tuple[int, int, int]]:
    return [(x.ndim - 1 - k, pad[2 * k], pad[2 * k + 1]) for k in range(len(pad) // 2)]


def _repeating_pad(mode: str) -> Callable[..., Nodes]:
    def handler(s: Scalars, x: Nodes, pad: Any) -> Nodes:
        width = [(0, 0)] * x.ndim
        for axis, before, after in _padded_axes(x, pad):
            width[axis] = (before, after)
        return np.pad(x, width, mode=mode)  # type: ignore[call-overload]

    return handler


def _unfold(s: Scalars, x: Nodes, dim: int, size: int, step: int) -> Nodes:
    parts = [np.take(x, range(k, k + size), axis=dim) for k in range(0, x.shape[dim] - size + 1, step)]
    return np.stack([np.moveaxis(p, dim, -1) for p in parts], axis=dim)


def _parts(s: Scalars, parts: Any) -> list[Nodes]:
    found = [s.nodes(p) for p in parts]
    return [p for p in found if p.shape != (0,)] or found


def _unwritten(s: Scalars, shape: Any, *_: Any, **__: Any) -> Nodes:
    return np.full([int(n) for n in shape], UNWRITTEN, dtype=np.int64)


def _view_dtype(s: Scalars, x: Nodes, shape: Any) -> Nodes:
    if not isinstance(shape, (tuple, list)):
        raise Unsupported("the bits of a number as another type: use x.to(dtype)")
    return x.reshape([int(n) for n in shape])


MAKING: Table = {
    "fill": lambda s, x, value: np.broadcast_to(s.nodes(value), x.shape),
    "copy": lambda s, x, source, *_: np.broadcast_to(s.nodes(source), x.shape),
    "empty": _unwritten, "empty_strided": _unwritten, "empty_like": lambda s, x, **_: _unwritten(s, x.shape),
    "new_empty": lambda s, x, shape, **_: _unwritten(s, shape),
    "new_empty_strided": lambda s, x, shape, *_, **__: _unwritten(s, shape),
}  # fmt: skip
"""What depends on no input is computed by torch; here is what is written later."""

MOVING: Table = {
    **dict.fromkeys(("view", "_unsafe_view", "_reshape_copy"), _view_dtype),
    "expand": _expand, "repeat": lambda s, x, repeats: np.tile(x, repeats),
    "unsqueeze": lambda s, x, dim: np.expand_dims(x, dim), "squeeze": _squeeze,
    "permute": lambda s, x, dims: np.transpose(x, dims),
    "transpose": lambda s, x, a, b: np.swapaxes(x, a, b) if x.ndim else x, "t": lambda s, x: x.T,
    "flip": lambda s, x, dims: np.flip(x, dims), "roll": _roll, "unfold": _unfold,
    "select": lambda s, x, dim, index: np.asarray(np.take(x, index, axis=dim)), "slice": _slice,
    "diagonal": lambda s, x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
    "tril": _triangle(False), "triu": _triangle(True),
    "unbind": lambda s, x, dim=0: [np.asarray(p) for p in np.moveaxis(x, dim, 0)],
    "split_with_sizes": lambda s, x, sizes, dim=0: np.split(x, np.cumsum(sizes)[:-1], axis=dim),
    "split": lambda s, x, size, dim=0: np.split(x, range(size, x.shape[dim], size), axis=dim),
    "cat": lambda s, parts, dim=0: np.concatenate(_parts(s, parts), axis=dim),
    "stack": lambda s, parts, dim=0: np.stack([s.nodes(p) for p in parts], axis=dim),
    "constant_pad_nd": _pad,
    "reflection_pad1d": _repeating_pad("reflect"), "replication_pad1d": _repeating_pad("edge"),
    "select_backward": lambda s, part, shape, dim, index: _embed(s, shape, lambda x: _at(x, dim, index), part),
    "slice_backward": lambda s, part, shape, dim, start, end, step: _embed(
        s, shape, lambda x: _range(x, dim, start, end, step), part),
    "diagonal_backward": lambda s, part, shape, offset, a, b: diagonal_scatter(s, full(s, shape), part, offset, a, b),
    "select_scatter": lambda s, x, part, dim, index: written(s, x, _at(x, dim, index), part),
    "slice_scatter": lambda s, x, part, dim=0, start=None, end=None, step=1: written(
        s, x, _range(x, dim, start, end, step), part),
    "diagonal_scatter": diagonal_scatter, "diag_embed": _diag_embed,
}  # fmt: skip

# SPDX-License-Identifier: MIT
"""Functions of axes: they take region views and act within the region the view names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ._align import aligned_all, insert_axes
from ._regions import AxisKind, BaseRegion, Region


def linspace(start: Region, stop: Region, n: int, dim: int = 0) -> Any:
    """`n` values from `start` to `stop`, both included, along a new axis `dim`; n = 1 gives `start`."""
    (first, last), x = _common([start, stop], "linspace")
    axis = x.axis(dim, x.ndim + 1)
    dtype = first.dtype if first.dtype.is_floating_point else torch.get_default_dtype()
    steps = torch.arange(n, dtype=dtype, device=first.device) / max(n - 1, 1)
    steps = insert_axes(steps, -1, first.ndim - axis)
    return x.rebuild(first.unsqueeze(axis) + steps * (last - first).unsqueeze(axis), 1)


def logspace(start: Region, stop: Region, n: int, dim: int = 0, base: float = 10.0) -> Any:
    """``base ** linspace(start, stop, n, dim)``."""
    exponent = linspace(start, stop, n, dim)
    return exponent._make(torch.pow(base, exponent.data), exponent.sub_batch_ndim)


def stack(regions: Sequence[Region], dim: int = 0) -> Any:
    """Values joined along a new axis `dim` of the region; other axes broadcast."""
    parts, x = _common(regions, "stack")
    return x.rebuild(torch.stack(parts, x.axis(dim, x.ndim + 1)), 1)


def cat(regions: Sequence[Region], dim: int = 0) -> Any:
    """Values joined along the existing axis `dim` of the region; other axes broadcast."""
    values = _values(regions, "cat")
    data, n = aligned_all(values)
    rank = max(d.ndim for d in data)
    data = [insert_axes(d, 0, rank - d.ndim) for d in data]
    region = type(regions[0])(values[0]._make(data[0], n))
    axis = region.axis(dim)
    rest = torch.broadcast_shapes(*[d.shape[:axis] + d.shape[axis + 1 :] for d in data])
    parts = [d.expand(*rest[:axis], d.shape[axis], *rest[axis:]) for d in data]
    return region.rebuild(torch.cat(parts, axis))


def sum(region: Region, dim: int | Sequence[int] | None = None) -> Any:
    """Sum over the axes `dim` of the region (all of them by default), which disappear."""
    axes = _axes(region, dim, "sum")
    return _reduced(region, region.value.data.sum(axes) if axes else region.value.data, len(axes))


def mean(region: Region, dim: int | Sequence[int] | None = None) -> Any:
    """Mean over the axes `dim` of the region (all of them by default), which disappear."""
    axes = _axes(region, dim, "mean")
    data = region.value.data
    count = 1
    for axis in axes:
        count *= data.shape[axis]
    return _reduced(region, data.sum(axes) / count if axes else data, len(axes))


def diff(region: Region, n: int = 1, dim: int = -1) -> Any:
    """`n`-th difference along axis `dim` of the region, which gets shorter by n."""
    _only_region(region, "diff")
    axis = region.axis(dim)
    data = region.value.data
    if n < 0 or n > data.shape[axis]:
        raise ValueError(f"cannot take difference {n} along an axis of length {data.shape[axis]}")
    before = (slice(None),) * axis
    for _ in range(n):
        data = data[(*before, slice(1, None))] - data[(*before, slice(None, -1))]
    return region.rebuild(data)


def _only_region(region: Any, name: str) -> None:
    if not isinstance(region, Region) or region.kind is AxisKind.BATCH:
        raise TypeError(f"{name} takes a region such as x.dynamic_batch or x.sub_batch, not {region!r}")


def _values(regions: Sequence[Region], name: str) -> list[Any]:
    regions = list(regions)
    if not regions:
        raise ValueError(f"{name} needs at least one value")
    for region in regions:
        _only_region(region, name)
        if type(region) is not type(regions[0]) or type(region.value) is not type(regions[0].value):
            raise TypeError(f"{name} takes regions of one kind and values of one type, got {regions}")
    if isinstance(regions[0], BaseRegion):
        raise TypeError(f"{name} does not act on base axes")
    return [region.value for region in regions]


def _common(regions: Sequence[Region], name: str) -> tuple[list[torch.Tensor], Region]:
    """Broadcast data of all values, and the region of the first with it."""
    values = _values(regions, name)
    data, n = aligned_all(values)
    parts = list(torch.broadcast_tensors(*data))
    return parts, type(regions[0])(values[0]._make(parts[0], n))


def _axes(region: Region, dim: int | Sequence[int] | None, name: str) -> list[int]:
    _only_region(region, name)
    dims = range(region.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return [region.axis(d) for d in dims]


def _reduced(region: Region, data: torch.Tensor, count: int) -> Any:
    if not isinstance(region, BaseRegion):
        return region.rebuild(data, -count)
    return region.value._of_rank(data, region.ndim - count, region.value.sub_batch_ndim)

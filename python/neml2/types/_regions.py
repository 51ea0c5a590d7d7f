# SPDX-License-Identifier: MIT
"""Views of the axis regions of a value: ``x.dynamic_batch``, ``x.sub_batch``, ``x.batch``, ``x.base``.

A view counts its axes within its own region and leaves the others alone.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

import torch

from ._align import insert_axes


class AxisKind(Enum):
    """The regions of ``(*dynamic_batch, *sub_batch, *base)``."""

    DYNAMIC = "dynamic_batch"
    SUB = "sub_batch"
    BATCH = "batch"
    BASE = "base"


class Region:
    """Axes ``[start, stop)`` of a value."""

    __slots__ = ("start", "stop", "value")

    kind: ClassVar[AxisKind]

    def __init__(self, value: Any) -> None:
        self.value = value
        dynamic, batch = value.dynamic_batch_ndim, value.batch_ndim
        self.start, self.stop = {
            AxisKind.DYNAMIC: (0, dynamic),
            AxisKind.SUB: (dynamic, batch),
            AxisKind.BATCH: (0, batch),
            AxisKind.BASE: (batch, value.data.ndim),
        }[self.kind]

    @property
    def ndim(self) -> int:
        return self.stop - self.start

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.data.shape[self.start : self.stop])

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.shape} of {type(self.value).__name__}>"

    def axis(self, dim: int, ndim: int | None = None) -> int:
        """Axis of the data that is axis `dim` of the region (of `ndim` axes, default those it has).

        Raises:
            IndexError: the region has no such axis.
        """
        ndim = self.ndim if ndim is None else ndim
        if not -ndim <= dim < ndim:
            raise IndexError(f"axis {dim} is out of range for {self.kind.value} with {ndim} axes")
        return self.start + (dim if dim >= 0 else dim + ndim)

    def rebuild(self, data: torch.Tensor, change: int = 0) -> Any:
        """The value with new data whose region has `change` more axes."""
        n = self.value.sub_batch_ndim
        return self.value._make(data, n + change if self.kind is AxisKind.SUB else n)

    def __getitem__(self, index: Any) -> Any:
        """Index the axes of the region as torch would, leaving the others whole."""
        items, before, after = _expand_index(index, self.ndim, self.value.dynamic_batch_ndim - self.start)
        data = self.value.data[(slice(None),) * self.start + items]
        if self.kind is AxisKind.BATCH:
            return self.value._make(data, after)
        return self.rebuild(data, before + after - self.ndim)


class _BatchAxes(Region):
    """What the dynamic and the sub-batch region share."""

    __slots__ = ()

    def unsqueeze(self, dim: int, n: int = 1) -> Any:
        """Insert `n` size-1 axes at position `dim` of the region."""
        return self.rebuild(insert_axes(self.value.data, self.axis(dim, self.ndim + 1), n), n)

    def squeeze(self, dim: int) -> Any:
        """Remove size-1 axis `dim` of the region.

        Raises:
            ValueError: the axis is longer than one.
        """
        axis = self.axis(dim)
        if self.value.data.shape[axis] != 1:
            raise ValueError(f"axis {dim} of {self.kind.value} {self.shape} has not size 1")
        return self.rebuild(self.value.data.select(axis, 0), -1)

    def expand(self, *shape: Any) -> Any:
        """Expand the region to `shape` (-1 keeps a size), with new axes at its front as needed."""
        sizes = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else tuple(shape)
        extra = len(sizes) - self.ndim
        if extra < 0:
            raise ValueError(f"cannot expand {self.kind.value} {self.shape} to fewer axes {sizes}")
        data = self.value.data
        if self.start:
            data = insert_axes(data, self.start, extra)
        full = (*data.shape[: self.start], *sizes, *self.value.data.shape[self.stop :])
        return self.rebuild(data.expand(full), extra)


class DynamicBatchRegion(_BatchAxes):
    """The axes left of the sub-batch axes."""

    __slots__ = ()
    kind = AxisKind.DYNAMIC


class SubBatchRegion(_BatchAxes):
    """The last `sub_batch_ndim` batch axes."""

    __slots__ = ()
    kind = AxisKind.SUB

    def retag(self, n: int) -> Any:
        """The same data with its last `n` batch axes declared sub-batch."""
        return self.value.with_sub_batch_ndim(n)

    def flatten(self) -> Any:
        """The same data with no sub-batch axes."""
        return self.retag(0)

    def expand_at(self, size: int, dim: int = -1) -> Any:
        """Insert a sub-batch axis of length `size` at position `dim`."""
        axis = self.axis(dim, self.ndim + 1)
        data = self.value.data.unsqueeze(axis)
        return self.rebuild(data.expand(*data.shape[:axis], size, *data.shape[axis + 1 :]), 1)

    def diagonalize(self) -> Any:
        """Scalar only: the last sub-batch axis spread over the diagonal of two, zero elsewhere."""
        if not self.value.is_scalar:
            raise TypeError(f"only a Scalar can be diagonalized, not a {type(self.value).__name__}")
        self.axis(-1)
        data = self.value.data
        n = data.shape[-1]
        unit = torch.tensor([[i == j for j in range(n)] for i in range(n)], device=data.device)
        return self.rebuild(torch.where(unit, data.unsqueeze(-1), 0.0), 1)


class BatchRegion(Region):
    """All batch axes; read and index only."""

    __slots__ = ()
    kind = AxisKind.BATCH


class BaseRegion(Region):
    """The base axes."""

    __slots__ = ()
    kind = AxisKind.BASE

    def transpose(self, dim0: int = -2, dim1: int = -1) -> Any:
        """Swap two base axes (of equal length, as in R2 and SSR4)."""
        i, j = self.axis(dim0), self.axis(dim1)
        if self.value.data.shape[i] != self.value.data.shape[j]:
            raise ValueError(f"cannot transpose base {self.shape} of {type(self.value).__name__}")
        return self.rebuild(self.value.data.transpose(i, j))

    def __getitem__(self, index: Any) -> Any:
        """Components: a Scalar where one is left, a Tensor otherwise."""
        items, left, right = _expand_index(index, self.ndim, 0)
        data = self.value.data[(slice(None),) * self.start + items]
        return self.value._of_rank(data, left + right, self.value.sub_batch_ndim)


def _expand_index(index: Any, ndim: int, split: int) -> tuple[tuple[Any, ...], int, int]:
    """Index as a full tuple over `ndim` axes, and how many axes it leaves before and after axis `split`."""
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(_consumed(i) for i in items if i is not Ellipsis)
    if used > ndim:
        raise IndexError(f"too many indices: {used} for {ndim} axes")
    where = next((k for k, i in enumerate(items) if i is Ellipsis), None)
    filler = [slice(None)] * (ndim - used)
    items = items + filler if where is None else items[:where] + filler + items[where + 1 :]
    counts = [0, 0]
    position = 0
    for item in items:
        # A new axis on the border belongs to the left.
        counts[position > split or (position == split and item is not None)] += _produced(item)
        position += _consumed(item)
    return tuple(items), counts[0], counts[1]


def _consumed(item: Any) -> int:
    if item is None:
        return 0
    return item.ndim if isinstance(item, torch.Tensor) and item.dtype == torch.bool else 1


def _produced(item: Any) -> int:
    if item is None or isinstance(item, (slice, list)):
        return 1
    if isinstance(item, torch.Tensor):
        return 1 if item.dtype == torch.bool else item.ndim
    return 0

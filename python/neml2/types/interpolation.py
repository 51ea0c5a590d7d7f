# SPDX-License-Identifier: MIT
"""Tables: piecewise linear and bilinear interpolation with linear extrapolation.

The segment is found by counting breakpoints and its data picked by a masked sum, so that the same code
serves one point, a batch, vmap and both modes of differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch

from ._align import lift, pad_base
from ._wrapper import TensorWrapper
from .scalar import Scalar

W = TypeVar("W", bound=TensorWrapper)


def linear_interpolation(x: Scalar, X: Scalar, Y: W) -> W:
    """Value at `x` of the table with abscissae `X` ``(..., N)`` and ordinates `Y` ``(..., N, *base)``, N >=
    2.

    The table axis is the last batch axis of X and Y, whatever its tag; axes before it broadcast with those
    of x. X increases along it. Outside the table the first or last segment is continued.

    Raises:
        ValueError: the table has fewer than two points, or X and Y differ in length.
    """
    n = max(x.sub_batch_ndim, _leading(X, 1), _leading(Y, 1))
    r = Y.base_ndim
    xs, table = lift(x.data, 0, x.sub_batch_ndim, n), _lift_table(Y, 1, n)
    _check_length("X", X, "Y", table.shape[-r - 1])
    axis = _Axis.of(xs, _lift_table(X, 1, n))
    low, high = axis.ends(table, r)
    slope = (high - low) / pad_base(axis.width, r)
    value = axis.pick(low, r) + axis.pick(slope, r) * pad_base(xs - axis.start, r)
    return Y._make(value, n)


def bilinear_interpolation(x1: Scalar, x2: Scalar, X1: Scalar, X2: Scalar, Y: W) -> W:
    """Value at ``(x1, x2)`` of the table `Y` ``(..., N1, N2, *base)`` over the grid `X1` ``(..., N1)``,
    `X2` ``(..., N2)``.

    The table axes are the last batch axes, whatever their tag; axes before them broadcast. The first table
    axis belongs to x1. Outside the grid the cells on its border are continued.

    Raises:
        ValueError: fewer than two points along an axis, or Y does not match X1 and X2.
    """
    cell = _Cell.of(x1, x2, X1, X2, Y)
    value = cell.y00 + cell.d1 * cell.xi + cell.d2 * cell.eta + cell.d12 * (cell.xi * cell.eta)
    return Y._make(value, cell.sub_batch_ndim)


def bilinear_interpolation_slopes(x1: Scalar, x2: Scalar, X1: Scalar, X2: Scalar, Y: W) -> tuple[W, W]:
    """Derivatives of `bilinear_interpolation` to x1 and to x2; arguments and errors as there."""
    cell = _Cell.of(x1, x2, X1, X2, Y)
    first = (cell.d1 + cell.d12 * cell.eta) / cell.width1
    second = (cell.d2 + cell.d12 * cell.xi) / cell.width2
    return Y._make(first, cell.sub_batch_ndim), Y._make(second, cell.sub_batch_ndim)


@dataclass
class _Axis:
    """The segment of each point along one table axis of N points."""

    mask: torch.Tensor | None  # (..., N - 1), true at the segment; None when there is only one
    start: torch.Tensor  # abscissa where the segment begins
    width: torch.Tensor  # (..., N - 1), lengths of all segments

    @staticmethod
    def of(x: torch.Tensor, points: torch.Tensor) -> _Axis:
        size = points.shape[-1]
        if size < 2:
            raise ValueError(f"an interpolation table needs at least two points, got {size}")
        mask = None
        if size > 2:
            index = (x.unsqueeze(-1) >= points[..., 1:-1]).sum(-1)
            segments = torch.tensor(list(range(size - 1)), device=points.device)
            mask = index.unsqueeze(-1) == segments
        axis = _Axis(mask, x, points[..., 1:] - points[..., :-1])
        axis.start = axis.pick(points[..., :-1], 0)
        return axis

    @staticmethod
    def ends(table: torch.Tensor, trailing: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Values at both ends of all segments, along the axis followed by `trailing` others."""
        rest = (slice(None),) * trailing
        return table[(..., slice(None, -1), *rest)], table[(..., slice(1, None), *rest)]

    def pick(self, values: torch.Tensor, trailing: int) -> torch.Tensor:
        """Of ``(..., N - 1, *trailing)`` the value at the segment."""
        if self.mask is None:
            return values.select(-trailing - 1, 0)
        mask = pad_base(self.mask, trailing)
        return torch.where(mask, values, 0.0).sum(-trailing - 1)


@dataclass
class _Cell:
    """Corner value, differences and local coordinates of the cell of each point."""

    y00: torch.Tensor
    d1: torch.Tensor
    d2: torch.Tensor
    d12: torch.Tensor
    xi: torch.Tensor
    eta: torch.Tensor
    width1: torch.Tensor
    width2: torch.Tensor
    sub_batch_ndim: int

    @staticmethod
    def of(x1: Scalar, x2: Scalar, X1: Scalar, X2: Scalar, Y: TensorWrapper) -> _Cell:
        n = max(x1.sub_batch_ndim, x2.sub_batch_ndim, _leading(X1, 1), _leading(X2, 1), _leading(Y, 2))
        r = Y.base_ndim
        table = _lift_table(Y, 2, n)
        _check_length("X1", X1, "the first table axis of Y", table.shape[-r - 2])
        _check_length("X2", X2, "the second table axis of Y", table.shape[-r - 1])
        s1, s2 = lift(x1.data, 0, x1.sub_batch_ndim, n), lift(x2.data, 0, x2.sub_batch_ndim, n)
        first, second = _Axis.of(s1, _lift_table(X1, 1, n)), _Axis.of(s2, _lift_table(X2, 1, n))
        rows = [first.pick(half, r + 1) for half in first.ends(table, r + 1)]
        (y00, y01), (y10, y11) = ([second.pick(half, r) for half in second.ends(row, r)] for row in rows)
        w1, w2 = first.pick(first.width, 0), second.pick(second.width, 0)
        xi, eta = (s1 - first.start) / w1, (s2 - second.start) / w2
        local = [pad_base(v, r) for v in (xi, eta, w1, w2)]
        return _Cell(y00, y10 - y00, y01 - y00, y11 - y10 - y01 + y00, *local, n)


def _leading(table: TensorWrapper, axes: int) -> int:
    """Sub-batch axes before the table axes."""
    return max(table.sub_batch_ndim - axes, 0)


def _lift_table(table: TensorWrapper, axes: int, n: int) -> torch.Tensor:
    return lift(table.data, table.base_ndim + axes, _leading(table, axes), n)


def _check_length(name: str, abscissa: Scalar, other: str, size: int) -> None:
    if abscissa.data.shape[-1] != size:
        raise ValueError(f"{name} has {abscissa.data.shape[-1]} points, {other} has {size}")

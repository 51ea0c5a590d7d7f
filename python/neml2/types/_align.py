# SPDX-License-Identifier: MIT
"""Bringing operands to a common sub-batch rank.

Shapes are ``(*dynamic_batch, *sub_batch, *base)``. Before two values broadcast, the one with fewer
sub-batch axes gets size-1 axes at the front of its sub-batch region, so that a global ``(B, 6)`` meets a
per-site ``(B, G, 6)`` as ``(B, 1, 6)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def insert_axes(data: torch.Tensor, axis: int, count: int) -> torch.Tensor:
    """Insert `count` size-1 axes at `axis`, which counts as in ``torch.unsqueeze``."""
    for _ in range(count):
        data = data.unsqueeze(axis)
    return data


def lift(data: torch.Tensor, base_ndim: int, sub: int, target: int) -> torch.Tensor:
    """Data of a value with `sub` sub-batch axes, ready to broadcast against one with `target` of them.

    Axes are inserted only where there are dynamic axes to push to the left: otherwise ordinary right-aligned
    broadcasting already does the same.
    """
    if sub >= target or data.ndim <= base_ndim + sub:
        return data
    return insert_axes(data, -(base_ndim + sub) - 1, target - sub)


def pad_base(data: torch.Tensor, base_ndim: int) -> torch.Tensor:
    """Scalar data with `base_ndim` size-1 axes appended; 0-d data broadcasts as it is."""
    if data.ndim == 0:
        return data
    for _ in range(base_ndim):
        data = data.unsqueeze(-1)
    return data


def aligned(a: Any, b: Any) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Raw data of two wrappers lifted to their common sub-batch rank, and that rank."""
    x, y, m, n = a.data, b.data, a.sub_batch_ndim, b.sub_batch_ndim
    if m == n:
        return x, y, m
    if m < n:
        return lift(x, a.base_ndim, m, n), y, n
    return x, lift(y, b.base_ndim, n, m), m


def aligned_all(values: Sequence[Any]) -> tuple[list[torch.Tensor], int]:
    """Raw data of any number of wrappers lifted to their common sub-batch rank, and that rank."""
    n = max(v.sub_batch_ndim for v in values)
    return [lift(v.data, v.base_ndim, v.sub_batch_ndim, n) for v in values], n


def align_sub_batch(*values: Any) -> tuple[Any, ...]:
    """The same values, all with the sub-batch rank of the largest.

    Size-1 axes enter at the front of the sub-batch region; 0-d data is only re-tagged.
    """
    n = max(v.sub_batch_ndim for v in values)
    out = []
    for v in values:
        k = n - v.sub_batch_ndim
        if k and v.data.ndim:
            out.append(v._make(insert_axes(v.data, -(v.base_ndim + v.sub_batch_ndim) - 1, k), n))
        else:
            out.append(v._make(v.data, n))
    return tuple(out)

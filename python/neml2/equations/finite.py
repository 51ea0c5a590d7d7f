# SPDX-License-Identifier: MIT
"""Which values are not finite, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..errors import listing
from ..types import TensorWrapper

NOT_FINITE = "not finite: "


def lost_points(value: torch.Tensor, point_ndim: int, batch: Sequence[int]) -> torch.Tensor:
    """Flat numbers of the points of a batch at which a value (*own batch, *point) is not finite."""
    if not value.is_floating_point() or torch.isfinite(value).all():
        return torch.empty(0, dtype=torch.int64)
    lost = ~torch.isfinite(value)
    lost = lost.reshape(*value.shape[: max(value.ndim - point_ndim, 0)], -1).any(-1)
    return torch.nonzero(lost.expand(tuple(batch)).reshape(-1))[:, 0].cpu()


def places(found: Mapping[str, torch.Tensor], count: int) -> str:
    """`'strain' at points 3, 5`; without points where there is one only, or all are meant."""
    parts = []
    for name, points in found.items():
        which = f" at point{'s' * (len(points) > 1)} {listing(map(str, points.tolist()), 4)}"
        parts.append(f"'{name}'" + (which if 0 < len(points) < count else ""))
    return ", ".join(parts)


def not_finite(state: Mapping[str, TensorWrapper]) -> str:
    """`; not finite: 'strain' at points 3, 5` of the values that have some, by their own batches; else empty."""
    words = []
    for name, value in state.items():
        batch = value.batch_shape[: value.batch_ndim - value.sub_batch_ndim]
        lost = lost_points(value.data.detach(), value.data.ndim - len(batch), batch)
        if len(lost):
            words.append(places({name: lost}, max(int(torch.Size(batch).numel()), 1)))
    return f"; {NOT_FINITE}{', '.join(words)}" if words else ""

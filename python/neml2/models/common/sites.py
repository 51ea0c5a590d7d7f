# SPDX-License-Identifier: MIT
"""Site axes of values, which count grains, cells of a grid or bins of a distribution: the last batch axis as one, and a
new one behind it."""

from __future__ import annotations

from typing import TypeVar

from ...errors import InvalidModel
from ...types import Scalar, TensorWrapper
from ..base import Model

W = TypeVar("W", bound=TensorWrapper)


def with_sites(model: Model, x: W, option: str) -> W:
    """`x` with at least its last batch axis tagged as a site axis. Raises InvalidModel if it has none."""
    if x.batch_ndim == 0:
        raise model.error("the value has no site axis", option, InvalidModel)
    return x if x.sub_batch_ndim else x.sub_batch.retag(1)


def on_cells(model: Model, value: Scalar, option: str) -> Scalar:
    """`value`. Raises InvalidModel (a ValueError) if it has no site axis: a batch of cells is no grid."""
    if value.sub_batch.ndim == 0:
        text = f"expected values along a sub-batch axis, got the batch shape {value.batch_shape} without one"
        raise model.error(f"{text}; mark it, as in Scalar(data, sub_batch_ndim=1)", option, InvalidModel)
    return value


def per_site(x: W, count: int = 1) -> W:
    """`x` with `count` more site axes of length one behind its own, to meet values that have those axes."""
    if x.batch_ndim == 0 or count <= 0:
        return x  # broadcasts as it is
    return x.sub_batch.unsqueeze(-1, count)


def per_site_of_all(*values: W) -> tuple[W, ...]:
    """The values with as many site axes as the one that has most; axes are added behind the others."""
    rank = max(value.sub_batch_ndim for value in values)
    return tuple(per_site(value, rank - value.sub_batch_ndim) for value in values)

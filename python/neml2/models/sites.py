# SPDX-License-Identifier: MIT
"""Values along a site axis: cells of a grid, bins of a distribution. It is the last sub-batch axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidModel
from ..types import Scalar

if TYPE_CHECKING:
    from .base import Model


def with_site_axis(model: Model, value: Scalar, option: str) -> Scalar:
    """`value`. Raises InvalidModel (a ValueError) if it has no sub-batch axis."""
    if value.sub_batch.ndim == 0:
        text = f"expected values along a sub-batch axis, got the batch shape {value.batch_shape} without one"
        raise model.error(f"{text}; mark it, as in Scalar(data, sub_batch_ndim=1)", option, InvalidModel)
    return value

# SPDX-License-Identifier: MIT
"""Values on the cells of a grid, or on the bins of a distribution: the last sub-batch axis counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidModel
from ..types import Scalar

if TYPE_CHECKING:
    from .base import Model


def on_cells(model: Model, value: Scalar, option: str) -> Scalar:
    """`value`. Raises InvalidModel (a ValueError) if it has no sub-batch axis."""
    if value.sub_batch.ndim == 0:
        text = f"expected values along a sub-batch axis, got the batch shape {value.batch_shape} without one"
        raise model.error(f"{text}; mark it, as in Scalar(data, sub_batch_ndim=1)", option, InvalidModel)
    return value

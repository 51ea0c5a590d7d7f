# SPDX-License-Identifier: MIT
"""Sources at a point of the grid, and grids without an end."""

from __future__ import annotations

import math

import torch

from ...errors import InvalidModel
from ...types import Scalar, exp, where
from ..base import Model
from ..common.sites import on_cells
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("DumpInSmallestBin")
class DumpInSmallestBin(Model):
    """A source M that goes into the first cell as it is, source_1 = M and source_k = 0 for k > 1. Of the cell centres
    only the number matters."""

    magnitude = Input(Scalar)
    dumped_source = Output(Scalar, "state/dumped_source")
    cell_centers = Parameter(Scalar, promotable=True, table_axes=1)

    def forward(self, M: Scalar, x: Scalar) -> Scalar:
        if M.sub_batch.ndim:
            text = f"expected one value, got values along the sub-batch axes {M.sub_batch_shape}"
            raise self.error(text, "magnitude", InvalidModel)
        cells = on_cells(self, x, "cell_centers").sub_batch_shape[-1]
        first = torch.tensor([k == 0 for k in range(cells)], device=x.device)
        return where(first, M.sub_batch.unsqueeze(0), 0.0)


@register("SmearedDeltaSource")
class SmearedDeltaSource(Model):
    """A source M at the location c, spread over the cells at x by a Gauss function of width w,
    source = M / (w sqrt(2 pi)) exp(-((x - c) / w)^2 / 2)."""

    magnitude = Input(Scalar)
    location = Input(Scalar)
    smeared_source = Output(Scalar, "state/smeared_source")
    width = Parameter(Scalar, promotable=True)
    cell_centers = Parameter(Scalar, promotable=True)

    def forward(self, M: Scalar, c: Scalar, w: Scalar, x: Scalar) -> Scalar:
        distance = (x - c) / w
        return M / (math.sqrt(2 * math.pi) * w) * exp(-0.5 * distance * distance)


@register("SemiInfiniteCoordinateTransform")
class SemiInfiniteCoordinateTransform(Model):
    """Coordinate from 0 to infinity, mapped to one from 0 to 1, x_hat = x / (x + s)."""

    coordinate = Input(Scalar)
    transformed_coordinate = Output(Scalar, "state/x_hat")
    shift = Parameter(Scalar, name="s", promotable=True)

    def forward(self, x: Scalar, s: Scalar) -> Scalar:
        return x / (x + s)

# SPDX-License-Identifier: MIT
"""From cells to the edges between them."""

from __future__ import annotations

from ...types import Scalar
from ..base import Model
from ..common.sites import on_cells
from ..declarations import Output, Parameter
from ..registry import register


@register("LinearlyInterpolateToCellEdges")
class LinearlyInterpolateToCellEdges(Model):
    """Values q at the centres x of n cells, interpolated to the n - 1 inner ones of their n + 1 edges e,
    q_edge = ((x_right - e) q_left + (e - x_left) q_right) / (x_right - x_left)."""

    edge_values = Output(Scalar)
    cell_values = Parameter(Scalar, promotable=True)
    cell_centers = Parameter(Scalar, table_axes=1)
    cell_edges = Parameter(Scalar, table_axes=1)

    def setup(self) -> None:
        cells, edges = (self._parameters[name].shape[-1] for name in ("cell_centers", "cell_edges"))
        if edges != cells + 1:
            raise self.error(f"{cells} cells have {cells + 1} edges, {edges} are given", "cell_edges")

    def forward(self, q: Scalar, x: Scalar, e: Scalar) -> Scalar:
        q = on_cells(self, q, "cell_values")
        left, right, edge = x.sub_batch[..., :-1], x.sub_batch[..., 1:], e.sub_batch[..., 1:-1]
        weighted = (right - edge) * q.sub_batch[..., :-1] + (edge - left) * q.sub_batch[..., 1:]
        return weighted / (right - left)

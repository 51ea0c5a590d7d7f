# SPDX-License-Identifier: MIT
"""Values at the ends of the grid."""

from __future__ import annotations

from ...types import Scalar, cat
from ..base import Model
from ..common.sites import on_cells
from ..declarations import Input, Option, Output, Parameter
from ..registry import register


@register("FiniteVolumeAppendBoundaryCondition")
class FiniteVolumeAppendBoundaryCondition(Model):
    """The input u with one more value b at an end, output = (b, u) for the left side, output = (u, b) for the right
    one. A boundary value that has a sub-batch axis of its own appends all it holds."""

    input = Input(Scalar)
    output = Output(Scalar, derived="{input}_with_bc_{side}", rename="output")
    bc_value = Parameter(Scalar)
    side: str = Option(str, "left", choices=("left", "right"))

    def forward(self, u: Scalar, b: Scalar) -> Scalar:
        u = on_cells(self, u, "input")
        b = b if b.sub_batch.ndim else b.sub_batch.unsqueeze(0)
        parts = (b, u) if self.side == "left" else (u, b)
        return cat([part.sub_batch for part in parts], dim=-1)

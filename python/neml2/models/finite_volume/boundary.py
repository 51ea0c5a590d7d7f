# SPDX-License-Identifier: MIT
"""Values at the ends of the grid."""

from __future__ import annotations

from ...types import Scalar, cat
from ..base import Model
from ..declarations import Input, Option, Output, Parameter
from ..registry import register
from ..sites import with_site_axis


@register("FiniteVolumeAppendBoundaryCondition")
class FiniteVolumeAppendBoundaryCondition(Model):
    """The input with one more value at its left or right end. A boundary value that has a sub-batch axis of its own
    appends all it holds."""

    input = Input(Scalar)
    output = Output(Scalar, derived="{input}_with_bc_{side}", rename="output")
    bc_value = Parameter(Scalar)
    side: str = Option(str, "left", choices=("left", "right"))

    def forward(self, u: Scalar, end: Scalar) -> Scalar:
        u = with_site_axis(self, u, "input")
        end = end if end.sub_batch.ndim else end.sub_batch.unsqueeze(0)
        parts = (end, u) if self.side == "left" else (u, end)
        return cat([part.sub_batch for part in parts], dim=-1)

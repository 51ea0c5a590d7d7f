# SPDX-License-Identifier: MIT
"""How much has precipitated, and what is left in the matrix."""

from __future__ import annotations

import math
from operator import mul

from ...types import Scalar, sum
from ..base import Model
from ..common.sites import on_cells
from ..declarations import Input, Inputs, Output, Parameter, Parameters
from ..lists import require_equal_lengths, total
from ..registry import register


@register("PrecipitateVolumeFraction")
class PrecipitateVolumeFraction(Model):
    """f = sum_k 4 pi/3 R_k^3 n_k over the bins of a size distribution, which lie along the last sub-batch axis of the
    number density n."""

    number_density = Input(Scalar)
    volume_fraction = Output(Scalar)
    radius = Parameter(Scalar, name="R", promotable=True, table_axes=1, uniform=True)

    def forward(self, n: Scalar, R: Scalar) -> Scalar:
        n = on_cells(self, n, "number_density")
        return 4 / 3 * math.pi * sum((R * R * R * n).sub_batch, dim=-1)


@register("CurrentConcentration")
class CurrentConcentration(Model):
    """Concentration left in the matrix, x = (x0 - sum_i f_i xp_i) / (1 - sum_i f_i), f the volume fractions and xp the
    concentrations of the precipitates."""

    precipitate_volume_fractions = Inputs(Scalar)
    current_concentration = Output(Scalar)
    initial_concentration = Parameter(Scalar, name="x0", promotable=True)
    precipitate_concentrations = Parameters(Scalar, name="_xp_names", promotable=True)

    def setup(self) -> None:
        require_equal_lengths(self, "precipitate_volume_fractions", "precipitate_concentrations")

    def forward(self, f: tuple[Scalar, ...], x0: Scalar, xp: tuple[Scalar, ...]) -> Scalar:
        return (x0 - total(map(mul, f, xp))) / (1 - total(f))

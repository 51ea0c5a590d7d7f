# SPDX-License-Identifier: MIT
"""Fluxes between neighbouring cells, and their divergence."""

from __future__ import annotations

from ...types import Scalar, diff, heaviside
from ..base import Model
from ..common.sites import on_cells
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("FiniteVolumeGradient")
class FiniteVolumeGradient(Model):
    """Negative gradient between neighbours, grad_u = -prefactor (u_right - u_left) / dx.

    With a diffusivity and the distances of cell centres, this is the diffusive flux through the edges between n cells;
    of the fluxes through all edges, with the widths of cells, it is the rate that they cause in the cells.
    """

    u = Input(Scalar)
    grad_u = Output(Scalar)
    dx = Parameter(Scalar)
    prefactor = Parameter(Scalar, 1.0, promotable=True)

    def forward(self, u: Scalar, dx: Scalar, prefactor: Scalar) -> Scalar:
        return -prefactor / dx * diff(on_cells(self, u, "u").sub_batch)


@register("FiniteVolumeUpwindedAdvectiveFlux")
class FiniteVolumeUpwindedAdvectiveFlux(Model):
    """Flux with the velocity v, flux = v (H(v) u_left + (1 - H(v)) u_right), H the Heaviside function: the value of the
    cell from which it flows. The slope to v is the mean of both at rest."""

    u = Input(Scalar)
    v_edge = Input(Scalar)
    flux = Output(Scalar)

    def forward(self, u: Scalar, v: Scalar) -> Scalar:
        u, H = on_cells(self, u, "u"), heaviside(v)
        return v * (H * u.sub_batch[..., :-1] + (1 - H) * u.sub_batch[..., 1:])

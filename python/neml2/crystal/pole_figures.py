# SPDX-License-Identifier: MIT
"""Pole figures and inverse pole figures, as numbers and as pictures.

Pictures need matplotlib, which is imported when one is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log, pi
from typing import Any

import torch

from ..types import MRP, Quaternion, euler_rodrigues, quaternion_rotation_matrix
from .lattice import Lattice, plane_from_bravais
from .symmetry import symmetry_operators

PROJECTIONS = ("equal_area", "stereographic")

_SECTORS = {  # azimuths of the fundamental sector of axial classes, in units of pi
    "-1": (0, 2), "2/m": (0, 1), "mmm": (0, 1 / 2), "-3": (0, 2 / 3), "-3m": (1 / 6, 1 / 2), "4/m": (0, 1 / 2),
    "4/mmm": (0, 1 / 4), "6/m": (0, 1 / 3), "6/mmm": (0, 1 / 6),
}  # fmt: skip


def poles(orientations: MRP, plane: Sequence[int], lattice: Lattice) -> torch.Tensor:
    """Unit normals (N, multiplicity, 3) in laboratory axes of the planes {hkl} of N crystals, both senses.

    plane: three Miller or four Miller-Bravais indices.
    """
    indices = torch.tensor(list(plane))
    normal = lattice.normal(plane_from_bravais(indices) if len(indices) == 4 else indices)
    family = _directions(normal / torch.linalg.vector_norm(normal), lattice.laue)
    R = euler_rodrigues(MRP(orientations.data.reshape(-1, 3))).data.to(torch.float64)
    return torch.einsum("gij,pj->gpi", R, family)


def crystal_directions(orientations: MRP, direction: Sequence[float], laue: str) -> torch.Tensor:
    """Unit vectors (N, 3) of a laboratory direction in the axes of N crystals, each moved by symmetry into the
    fundamental sector of the Laue class."""
    v = torch.tensor(list(direction), dtype=torch.float64)
    R = euler_rodrigues(MRP(orientations.data.reshape(-1, 3))).data.to(torch.float64)
    return into_sector(R.mT @ (v / torch.linalg.vector_norm(v)), laue)


def into_sector(v: torch.Tensor, laue: str) -> torch.Tensor:
    """Equivalent directions (N, 3) in the fundamental sector, directions and their opposites being equal.

    For m-3m it is z >= x >= y >= 0, for m-3 z >= x, y >= 0, for the others the upper half between two azimuths.
    """
    if laue == "m-3m":
        low, middle, high = v.abs().sort(-1).values.unbind(-1)
        return torch.stack([middle, low, high], -1)
    if laue == "m-3":
        v = v.abs()
        shift = v.argmax(-1, keepdim=True) + 1 + torch.arange(3, device=v.device)
        return torch.take_along_dim(v, shift % 3, -1)
    R = quaternion_rotation_matrix(symmetry_operators(laue)).data
    images = torch.einsum("sij,nj->nsi", R, v)
    images = torch.cat([images, -images], 1)
    start, stop = (pi * bound for bound in _SECTORS[laue])
    azimuth = torch.remainder(torch.atan2(images[..., 1], images[..., 0]) - start, 2 * pi)
    beside = torch.minimum((azimuth - (stop - start)).clamp_min(0.0), 2 * pi - azimuth)
    best = (beside + (-images[..., 2]).clamp_min(0.0)).argmin(1, keepdim=True).unsqueeze(-1)
    return torch.take_along_dim(images, best, 1).squeeze(1)


def project(v: torch.Tensor, projection: str = "equal_area") -> torch.Tensor:
    """Points (..., 2) in the unit disc of unit vectors (..., 3); those of the lower half are turned round first."""
    if projection not in PROJECTIONS:
        raise ValueError(f"'{projection}' is no projection; these are: {', '.join(PROJECTIONS)}")
    v = torch.where(v[..., 2:] < 0.0, -v, v)
    up = 1.0 + v[..., 2:]
    return v[..., :2] / (torch.sqrt(up) if projection == "equal_area" else up)


def density(points: torch.Tensor, at: torch.Tensor, half_width: float = pi / 18) -> torch.Tensor:
    """Density of axes (N, 3) at unit vectors (..., 3), in multiples of a uniform distribution, smoothed by a Fisher
    kernel that has half its height at the angle `half_width` (R. Fisher, Proc. R. Soc. A 217, 1953)."""
    kappa = log(2.0) / (1.0 - torch.cos(torch.tensor(half_width, dtype=torch.float64)))
    scale = 2 * kappa / -torch.expm1(-2 * kappa)  # mean over the sphere is 1
    total = torch.zeros(at.shape[:-1], dtype=torch.float64)
    for part in points.reshape(-1, 3).split(4096):
        cosine = at @ part.mT
        total = total + (torch.exp(kappa * (cosine - 1)) + torch.exp(kappa * (-cosine - 1))).sum(-1)
    return scale * total / (2 * points.reshape(-1, 3).shape[0])


# Pictures -----------------------------------------------------------------------------------------------------------


def plot_pole_figure(
    orientations: MRP,
    plane: Sequence[int],
    lattice: Lattice,
    *,
    projection: str = "equal_area",
    contours: bool = False,
    ax: Any = None,
    **style: Any,
) -> Any:
    """Draw the poles of the planes {hkl}, x to the right and y up: points, or contours of their density in multiples of
    a uniform distribution. `style` goes to matplotlib's `scatter` or `contourf`. Returns the Axes."""
    points = poles(orientations, plane, lattice).reshape(-1, 3)
    ax = _axes(ax, "{" + " ".join(str(i) for i in plane) + "}")
    if contours:
        _contours(ax, points, projection, style)
    else:
        xy = project(points, projection)
        ax.scatter(*xy.unbind(-1), **{"s": 4, "color": "black", "linewidths": 0, **style})
    circle = torch.linspace(0, 2 * pi, 361)
    ax.plot(circle.cos(), circle.sin(), color="black", linewidth=1)
    ax.text(1.03, 0.0, "x", ha="left", va="center")
    ax.text(0.0, 1.03, "y", ha="center", va="bottom")
    return ax


def plot_inverse_pole_figure(
    orientations: MRP,
    direction: Sequence[float],
    laue: str,
    *,
    projection: str = "equal_area",
    ax: Any = None,
    **style: Any,
) -> Any:
    """Draw where a laboratory direction lies in the fundamental sectors of the crystals. `style` goes to matplotlib's
    `scatter`. Returns the Axes."""
    xy = project(crystal_directions(orientations, direction, laue), projection)
    ax = _axes(ax, "direction " + " ".join(f"{c:g}" for c in direction))
    ax.scatter(*xy.unbind(-1), **{"s": 4, "color": "black", "linewidths": 0, **style})
    ax.plot(*project(_sector_edge(laue), projection).unbind(-1), color="black", linewidth=1)
    return ax


def _directions(v: torch.Tensor, laue: str) -> torch.Tensor:
    """The different images (m, 3) of a direction under a Laue class, its opposite among them."""
    images = quaternion_rotation_matrix(Quaternion(symmetry_operators(laue).data)).data @ v
    kept: list[torch.Tensor] = []
    for image in [*images, *-images]:
        if not any(torch.allclose(image, other, atol=1e-8) for other in kept):
            kept.append(image)
    return torch.stack(kept)


def _sector_edge(laue: str) -> torch.Tensor:
    """The outline (n, 3) of the fundamental sector."""
    if laue in ("m-3m", "m-3"):
        beyond = [(0, 1, 1)] if laue == "m-3" else []
        corners = [(0, 0, 1), (1, 0, 1), (1, 1, 1), *beyond, (0, 0, 1)]
        return torch.cat([_arc(a, b) for a, b in pairwise(corners)])
    start, stop = (pi * bound for bound in _SECTORS[laue])
    rim = torch.linspace(start, stop, 181, dtype=torch.float64)
    rim = torch.stack([rim.cos(), rim.sin(), 0 * rim], -1)
    if stop - start >= 2 * pi:
        return rim
    top = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    return torch.cat([top, rim, top])


def _arc(a: Sequence[float], b: Sequence[float]) -> torch.Tensor:
    t = torch.linspace(0, 1, 61, dtype=torch.float64).unsqueeze(-1)
    points = (1 - t) * torch.tensor(a, dtype=torch.float64) + t * torch.tensor(b, dtype=torch.float64)
    return points / torch.linalg.vector_norm(points, dim=-1, keepdim=True)


def _contours(ax: Any, points: torch.Tensor, projection: str, style: dict[str, Any]) -> None:
    r, angle = torch.linspace(0, 1, 61, dtype=torch.float64), torch.linspace(0, 2 * pi, 181, dtype=torch.float64)
    r, angle = torch.meshgrid(r, angle, indexing="ij")
    z = 1 - r**2 if projection == "equal_area" else (1 - r**2) / (1 + r**2)
    rho = torch.sqrt((1 - z**2).clamp_min(0))
    grid = torch.stack([rho * angle.cos(), rho * angle.sin(), z], -1)
    drawn = ax.contourf(r * angle.cos(), r * angle.sin(), density(points, grid), **style)
    ax.figure.colorbar(drawn, ax=ax, label="multiples of uniform")


def _axes(ax: Any, title: str) -> Any:
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1]
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title, pad=16)  # above the name of the axis
    return ax


__all__ = [
    "crystal_directions",
    "density",
    "into_sector",
    "plot_inverse_pole_figure",
    "plot_pole_figure",
    "poles",
    "project",
]

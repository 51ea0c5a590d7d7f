# SPDX-License-Identifier: MIT
"""Crystal lattices: directions and plane normals of Miller indices."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch


@dataclass(frozen=True)
class Lattice:
    """A lattice and its symmetry. `vectors`: (3, 3), lattice vectors as rows, in crystal axes. `laue`: Laue class."""

    vectors: torch.Tensor
    laue: str

    @classmethod
    def cubic(cls, a: float) -> Lattice:
        """Edges of length `a` along the crystal axes."""
        _check_length(a, "lattice parameter")
        return cls(a * torch.eye(3, dtype=torch.float64), "m-3m")

    @classmethod
    def hexagonal(cls, a: float, c_over_a: float) -> Lattice:
        """a1 along x, a2 at 120 degrees to it, c along z."""
        _check_length(a, "lattice parameter")
        _check_length(c_over_a, "ratio c/a")
        rows = [[1.0, 0.0, 0.0], [-0.5, sqrt(0.75), 0.0], [0.0, 0.0, c_over_a]]
        return cls(a * torch.tensor(rows, dtype=torch.float64), "6/mmm")

    @property
    def reciprocal(self) -> torch.Tensor:
        """Reciprocal lattice vectors as rows, b_i . a_j = delta_ij (no 2 pi)."""
        return torch.linalg.inv(self.vectors).mT

    def direction(self, indices: torch.Tensor) -> torch.Tensor:
        """Cartesian vectors of lattice directions [uvw], (..., 3) integers, as long as the lattice has them."""
        return indices.to(torch.float64) @ self.vectors

    def normal(self, indices: torch.Tensor) -> torch.Tensor:
        """Cartesian normals of planes (hkl), (..., 3) integers, of length 1/spacing."""
        return indices.to(torch.float64) @ self.reciprocal


def direction_from_bravais(indices: torch.Tensor) -> torch.Tensor:
    """[uvtw] (..., 4) to the indices (..., 3) of the same direction by a1, a2, c. Raises ValueError if u + v + t is
    not 0."""
    u, v, t, w = _bravais(indices)
    return torch.stack([u - t, v - t, w], -1)


def plane_from_bravais(indices: torch.Tensor) -> torch.Tensor:
    """(hkil) (..., 4) to (hkl) (..., 3). Raises ValueError if h + k + i is not 0."""
    h, k, _, m = _bravais(indices)
    return torch.stack([h, k, m], -1)


def primitive(indices: torch.Tensor) -> torch.Tensor:
    """Integer indices (..., 3) divided by their greatest common divisor. Raises ValueError for three zeros."""
    divisor = torch.gcd(torch.gcd(indices[..., 0], indices[..., 1]), indices[..., 2])
    if bool((divisor == 0).any()):
        raise ValueError("Miller indices must not all be zero")
    return torch.div(indices, divisor.unsqueeze(-1), rounding_mode="trunc")


def _bravais(indices: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if indices.shape[-1] != 4:
        raise ValueError(f"Miller-Bravais indices are four, got {indices.shape[-1]}")
    if bool((indices[..., :3].sum(-1) != 0).any()):
        raise ValueError(f"the first three Miller-Bravais indices must add up to 0, got {indices.tolist()}")
    return tuple(indices.unbind(-1))


def _check_length(value: float, what: str) -> None:
    if not value > 0 or value == float("inf"):
        raise ValueError(f"a {what} must be positive, got {value}")

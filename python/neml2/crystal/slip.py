# SPDX-License-Identifier: MIT
"""Slip systems: pairs of a direction and a plane that contains it, from families by symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch

from ..types import R2, SR2, WR2, Quaternion, quaternion_rotation_matrix, skew, sym
from .lattice import Lattice, direction_from_bravais, plane_from_bravais, primitive
from .symmetry import symmetry_operators

Bravais = tuple[int, int, int, int]
Miller = tuple[int, int, int]

CUBIC_FAMILIES: dict[str, tuple[Miller, Miller]] = {
    "110": ((1, 1, 1), (1, 1, 0)),
    "112": ((1, 1, 1), (1, 1, 2)),
    "123": ((1, 1, 1), (1, 2, 3)),
}
"""Slip of body-centred crystals along <111>, by plane: direction, plane. 12, 12 and 24 systems."""

HEXAGONAL_FAMILIES: dict[str, tuple[Bravais, Bravais]] = {
    "basal": ((1, 1, -2, 0), (0, 0, 0, 1)),
    "prismatic": ((1, 1, -2, 0), (1, 0, -1, 0)),
    "prismatic_c": ((0, 0, 0, 1), (1, 0, -1, 0)),
    "pyramidal_a": ((1, 1, -2, 0), (1, 0, -1, 1)),
    "pyramidal_ca": ((1, 1, -2, 3), (1, 0, -1, 1)),
    "pyramidal_2_ca": ((1, 1, -2, 3), (1, 1, -2, 2)),
}
"""Direction [uvtw], plane (hkil); 3, 3, 3, 6, 12 and 6 systems."""


@dataclass(frozen=True)
class SlipSystems:
    """n slip systems in crystal axes, family after family.

    directions, normals: unit vectors (n, 3). burgers: lengths (n,) of the lattice vectors along the directions.
    offsets: family k has the systems offsets[k] to offsets[k + 1] - 1.
    """

    directions: torch.Tensor
    normals: torch.Tensor
    burgers: torch.Tensor
    offsets: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.directions)

    @property
    def A(self) -> R2:
        """Schmid tensors d (x) n, with one site axis."""
        return R2(self.directions.unsqueeze(-1) * self.normals.unsqueeze(-2), sub_batch_ndim=1)

    @property
    def M(self) -> SR2:
        """Symmetric parts of the Schmid tensors."""
        return sym(self.A)

    @property
    def W(self) -> WR2:
        """Skew parts of the Schmid tensors."""
        return skew(self.A)

    def schmid_factors(self, axis: torch.Tensor) -> torch.Tensor:
        """(d . t)(n . t) of each system for uniaxial loads along `axis` (..., 3), crystal axes: (..., n)."""
        t = axis / torch.linalg.vector_norm(axis, dim=-1, keepdim=True)
        return (t @ self.directions.mT) * (t @ self.normals.mT)


def slip_systems(lattice: Lattice, directions: torch.Tensor, planes: torch.Tensor) -> SlipSystems:
    """All systems that symmetry makes of families.

    directions, planes: integer Miller indices (3,) or (families, 3). Of each family the images of the direction and of
    the plane are taken in the order of the symmetry operators, each once up to its sign; directions vary slowest.
    Raises ValueError for shapes that differ, and for a family without any direction in its plane.
    """
    if directions.shape != planes.shape or directions.ndim not in (1, 2) or directions.shape[-1] != 3:
        raise ValueError(
            f"directions and planes of slip must both have shape (3,) or (n, 3), got {tuple(directions.shape)} and "
            f"{tuple(planes.shape)}"
        )
    rotations = quaternion_rotation_matrix(Quaternion(symmetry_operators(lattice.laue).data)).data
    families = [
        _family(lattice, d, n, rotations) for d, n in zip(directions.reshape(-1, 3), planes.reshape(-1, 3), strict=True)
    ]
    d = torch.cat([family[0] for family in families])
    n = torch.cat([family[1] for family in families])
    length = torch.linalg.vector_norm(d, dim=-1)
    return SlipSystems(
        d / length.unsqueeze(-1),
        n / torch.linalg.vector_norm(n, dim=-1, keepdim=True),
        length,
        (0, *accumulate(len(family[0]) for family in families)),
    )


def _family(
    lattice: Lattice, direction: torch.Tensor, plane: torch.Tensor, rotations: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    directions = _images(lattice.direction(primitive(direction)), rotations)
    normals = _images(lattice.normal(primitive(plane)), rotations)
    pairs = (torch.abs(directions @ normals.mT) <= 1e-8).nonzero()  # d . n counts in whole numbers
    if not len(pairs):
        raise ValueError(f"no direction <{_label(direction)}> lies in a plane {{{_label(plane)}}}")
    return directions[pairs[:, 0]], normals[pairs[:, 1]]


def _images(vector: torch.Tensor, rotations: torch.Tensor) -> torch.Tensor:
    """The different images of a vector, up to sign, in the order of the rotations."""
    found: list[torch.Tensor] = []
    tolerance = 1e-5 * float(torch.linalg.vector_norm(vector))
    for image in rotations @ vector:
        if not any(_near(image, other, tolerance) or _near(-image, other, tolerance) for other in found):
            found.append(image)
    return torch.stack(found)


def _near(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    return bool((torch.abs(a - b) <= tolerance).all())


def _label(indices: torch.Tensor) -> str:
    return " ".join(str(int(i)) for i in indices)


def hexagonal_families(names: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions and planes (n, 3) of hexagonal slip families by name. Raises KeyError."""
    pairs = [HEXAGONAL_FAMILIES[name] for name in names]
    return bravais_families([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def bravais_families(directions: list, planes: list) -> tuple[torch.Tensor, torch.Tensor]:
    """Miller indices (n, 3) of directions [uvtw] and planes (hkil)."""
    return direction_from_bravais(torch.tensor(directions)), plane_from_bravais(torch.tensor(planes))


__all__ = [
    "CUBIC_FAMILIES",
    "HEXAGONAL_FAMILIES",
    "SlipSystems",
    "bravais_families",
    "hexagonal_families",
    "slip_systems",
]

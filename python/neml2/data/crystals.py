# SPDX-License-Identifier: MIT
"""Crystals with their slip systems, as models refer to them."""

from __future__ import annotations

import torch

from ..crystal.lattice import Lattice
from ..crystal.slip import (
    CUBIC_FAMILIES,
    HEXAGONAL_FAMILIES,
    SlipSystems,
    bravais_families,
    hexagonal_families,
    slip_systems,
)
from ..errors import InvalidOption
from ..hit import HitObject, Option, TensorOption, register
from ..types import MillerIndex, Scalar


class CrystalGeometry(HitObject):
    """A crystal's slip systems in crystal axes.

    Attributes:
        lattice: the Lattice. slip_systems: the SlipSystems. A, M, W: Schmid tensors d (x) n, their symmetric and skew
        parts, with the slip systems as one site axis. burgers: lengths of lattice vectors along the slip directions.
        slip_offsets: where each family begins, and the number of systems.
    """

    SECTION = "Data"

    def setup(self) -> None:
        try:
            self.lattice = self.make_lattice()
            self.slip_systems: SlipSystems = slip_systems(self.lattice, *self.families())
        except InvalidOption:
            raise
        except ValueError as error:
            raise self.error(str(error)) from None
        self.A, self.M, self.W = self.slip_systems.A, self.slip_systems.M, self.slip_systems.W
        self.burgers = Scalar(self.slip_systems.burgers, sub_batch_ndim=1)
        self.slip_offsets = self.slip_systems.offsets

    @property
    def nslip(self) -> int:
        return self.slip_systems.count

    def make_lattice(self) -> Lattice:
        raise NotImplementedError

    def families(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Miller indices of directions and planes, one row per family."""
        raise NotImplementedError


def _number(value: Scalar | float) -> float:
    """A lattice parameter; the first one of several."""
    return float(Scalar(value).data.flatten()[0])


@register("CubicCrystal")
class CubicCrystal(CrystalGeometry):
    """A cubic crystal of edge `lattice_parameter`, and the slip systems of families <direction>{plane}.

    `slip_directions` and `slip_planes` are MillerIndex tensors (3,) or (families, 3).
    """

    lattice_parameter = TensorOption(Scalar)
    slip_directions = TensorOption(MillerIndex)
    slip_planes = TensorOption(MillerIndex)

    def make_lattice(self) -> Lattice:
        return Lattice.cubic(_number(self.lattice_parameter))

    def families(self) -> tuple[torch.Tensor, torch.Tensor]:
        return _integers(self.slip_directions), _integers(self.slip_planes)


def _integers(value: MillerIndex) -> torch.Tensor:
    return MillerIndex(value).data.to(torch.int64)


@register("BodyCentredCrystal")
class BodyCentredCrystal(CrystalGeometry):
    """A body-centred cubic crystal that slips along <111> in the planes `slip_families`: '110', '112', '123'.

    The lengths in `burgers` are those of <111>, twice the Burgers vector of a perfect dislocation.
    """

    lattice_parameter = TensorOption(Scalar)
    slip_families: list[str] = Option(list[str], choices=tuple(CUBIC_FAMILIES))

    def make_lattice(self) -> Lattice:
        return Lattice.cubic(_number(self.lattice_parameter))

    def families(self) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.slip_families:
            raise self.error("names no family of slip systems", "slip_families")
        pairs = [CUBIC_FAMILIES[name] for name in self.slip_families]
        return torch.tensor([pair[0] for pair in pairs]), torch.tensor([pair[1] for pair in pairs])


@register("HexagonalCrystal")
class HexagonalCrystal(CrystalGeometry):
    """A hexagonal crystal with basal edge `lattice_parameter` and ratio `c_over_a`; a1 is x, c is z.

    Slip systems are those of `slip_families` by name, then those of families <uvtw>{hkil} in Miller-Bravais indices:
    `slip_directions = '1 1 -2 0; 1 1 -2 3'` and as many `slip_planes`. Names: basal, prismatic, pyramidal_a slip along
    <a>; prismatic_c along c; pyramidal_ca ({10-11}) and pyramidal_2_ca ({11-22}) along <c+a>.
    """

    lattice_parameter = TensorOption(Scalar)
    c_over_a = TensorOption(Scalar)
    slip_families: list[str] = Option(list[str], default=(), choices=tuple(HEXAGONAL_FAMILIES))
    slip_directions: list[list[int]] = Option(list[list[int]], default=())
    slip_planes: list[list[int]] = Option(list[list[int]], default=())

    def make_lattice(self) -> Lattice:
        return Lattice.hexagonal(_number(self.lattice_parameter), _number(self.c_over_a))

    def families(self) -> tuple[torch.Tensor, torch.Tensor]:
        directions, planes = self._rows("slip_directions"), self._rows("slip_planes")
        if len(directions) != len(planes):
            raise self.error(f"{len(planes)} planes for {len(directions)} directions", "slip_planes")
        parts = [hexagonal_families(list(self.slip_families))] if self.slip_families else []
        parts += [bravais_families(directions, planes)] if directions else []
        if not parts:
            raise self.error("names no family of slip systems", "slip_families")
        return torch.cat([d for d, _ in parts]), torch.cat([n for _, n in parts])

    def _rows(self, option: str) -> list[list[int]]:
        rows = [list(row) for row in getattr(self, option)]
        for row in rows:
            if len(row) != 4:
                raise self.error(f"Miller-Bravais indices are four, got {len(row)}", option)
        return rows

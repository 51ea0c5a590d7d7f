# SPDX-License-Identifier: MIT
"""What models that know the slip systems of a crystal share."""

from __future__ import annotations

from ...data import CrystalGeometry
from ...types import R2, SR2, WR2, Scalar
from ...types import sum as sum_over
from ..base import Model
from ..common.sites import with_sites
from ..declarations import Reference


class OnSlipSystems(Model):
    """A model over the slip systems of `crystal_geometry`, a block of [Data]; they are the last site axis.

    A, M, W: Schmid tensors d (x) n of the systems in crystal axes, their symmetric and skew parts.
    """

    crystal_geometry: CrystalGeometry = Reference("Data", default="crystal_geometry")

    def setup(self) -> None:
        if not isinstance(self.crystal_geometry, CrystalGeometry):
            kind = type(self.crystal_geometry).__name__
            raise self.error(f"a {kind} has no slip systems; expected a crystal", "crystal_geometry")
        for name in ("A", "M", "W"):  # buffers, so that they follow the model to a device and a dtype
            self.register_buffer(f"_{name}", getattr(self.crystal_geometry, name).data.clone(), persistent=False)

    @property
    def nslip(self) -> int:
        return self.crystal_geometry.nslip

    @property
    def A(self) -> R2:
        return R2(self._A, sub_batch_ndim=1)

    @property
    def M(self) -> SR2:
        return SR2(self._M, sub_batch_ndim=1)

    @property
    def W(self) -> WR2:
        return WR2(self._W, sub_batch_ndim=1)


def over_systems(model: Model, x: Scalar, option: str) -> Scalar:
    """`x` with its last batch axis, that of the slip systems, tagged as a site axis."""
    return with_sites(model, x, option)


def total(x: R2 | SR2 | WR2 | Scalar) -> R2 | SR2 | WR2 | Scalar:
    """The sum over the slip systems."""
    return sum_over(x.sub_batch, -1)

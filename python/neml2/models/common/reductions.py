# SPDX-License-Identifier: MIT
"""Means, sums and differences over batch axes.

A dynamic batch axis ties material points together, so that a model which reduces one is no function of one
point and cannot be compiled. The site axes (sub-batch axes) belong to one point.
"""

from __future__ import annotations

from ...errors import InvalidModel
from ...types import SR2, diff, mean, sum
from ..base import Model
from ..declarations import Input, Option, Output
from ..registry import register
from .sites import with_sites


class OverPoints(Model):
    """A reduction over one dynamic batch axis."""

    from_ = Input(SR2)
    to = Output(SR2)
    dim: int = Option(int)

    def _region(self, x: SR2) -> SR2:
        rank = x.dynamic_batch_ndim
        if not -rank <= self.dim < rank:
            text = f"axis {self.dim} is to be reduced, but the value has {rank} dynamic batch axes"
            raise self.error(text + ("" if rank else "; a single material point has none"), "dim", InvalidModel)
        return x


@register("SR2DynamicMean")
class SR2DynamicMean(OverPoints):
    """Mean over dynamic batch axis `dim`."""

    def forward(self, x: SR2) -> SR2:
        return mean(self._region(x).dynamic_batch, dim=self.dim)


@register("SR2DynamicSum")
class SR2DynamicSum(OverPoints):
    """Sum over dynamic batch axis `dim`."""

    def forward(self, x: SR2) -> SR2:
        return sum(self._region(x).dynamic_batch, dim=self.dim)


class OverSites(Model):
    """A function along the site axes. `reduces` is a label of that axis for the reader; it has no effect."""

    from_ = Input(SR2)
    to = Output(SR2)
    reduces: str = Option(str)

    def _sites(self, x: SR2) -> SR2:
        return with_sites(self, x, "from")


@register("SR2IntermediateMean")
class SR2IntermediateMean(OverSites):
    """Mean over the last site axis; of an untagged value, over the last batch axis."""

    def forward(self, x: SR2) -> SR2:
        return mean(self._sites(x).sub_batch, dim=-1)


@register("SR2IntermediateSum")
class SR2IntermediateSum(OverSites):
    """Sum over the last site axis; of an untagged value, over the last batch axis."""

    def forward(self, x: SR2) -> SR2:
        return sum(self._sites(x).sub_batch, dim=-1)


@register("SR2IntermediateDiff")
class SR2IntermediateDiff(OverSites):
    """`n`-th difference along site axis `dim`, which gets shorter by n."""

    dim: int = Option(int)
    n: int = Option(int, 1)

    def forward(self, x: SR2) -> SR2:
        x = self._sites(x)
        rank = x.sub_batch_ndim
        if not -rank <= self.dim < rank:
            raise self.error(f"axis {self.dim} of {rank} site axes is to be differenced", "dim", InvalidModel)
        if not 0 <= self.n <= x.sub_batch_shape[self.dim]:
            text = f"difference {self.n} along an axis of {x.sub_batch_shape[self.dim]} sites"
            raise self.error(text, "n", InvalidModel)
        return diff(x.sub_batch, n=self.n, dim=self.dim)

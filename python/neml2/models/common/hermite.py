# SPDX-License-Identifier: MIT
"""Smooth steps and bumps of cubic Hermite polynomials."""

from __future__ import annotations

from ...types import Scalar, clamp, lt, where
from ..base import Model
from ..declarations import BLOCK_NAME, Input, Option, Output, Parameter
from ..registry import register
from ..tolerance import eps


@register("HermiteSmoothStep")
class HermiteSmoothStep(Model):
    """Step from 0 at x0 to 1 at x1, 3 u^2 - 2 u^3 with u = (x - x0)/(x1 - x0) clamped to [eps, 1 - eps]; one
    minus that if `complement`."""

    argument = Input(Scalar)
    value = Output(Scalar)
    lower_bound = Parameter(Scalar, name="x0")
    upper_bound = Parameter(Scalar, name="x1")
    complement: bool = Option(bool, False)

    def forward(self, x: Scalar, x0: Scalar, x1: Scalar) -> Scalar:
        u = _clamped(x, x0, x1)
        step = u * u * (3 - 2 * u)
        return 1 - step if self.complement else step


@register("SymmetricHermiteInterpolation")
class SymmetricHermiteInterpolation(Model):
    """Bump between x0 and x1 of unit area, (24 c^2 - 32 c^3)/(x1 - x0), c the distance to the nearer end over
    x1 - x0, clamped to [eps, 1 - eps]."""

    argument = Input(Scalar)
    output = Output(Scalar, BLOCK_NAME)
    lower_bound = Parameter(Scalar, name="x0")
    upper_bound = Parameter(Scalar, name="x1")

    def forward(self, x: Scalar, x0: Scalar, x1: Scalar) -> Scalar:
        c = _clamped(x, x0, x1)
        c = where(lt(c, 0.5), c, 1 - c)
        return c * c * (24 - 32 * c) / (x1 - x0)


def _clamped(x: Scalar, x0: Scalar, x1: Scalar) -> Scalar:
    return clamp((x - x0) / (x1 - x0), eps(x), 1 - eps(x))

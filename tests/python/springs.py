# SPDX-License-Identifier: MIT
"""Springs: laws with unknowns at sites and one for all of them."""

from __future__ import annotations

from neml2.models import Input, Model, Output
from neml2.types import Scalar, Vec, inner, mean


class Springs(Model):
    """Springs x + p |x|^2 x under a common force y, such that their mean elongation is f."""

    x = Input(Vec)
    y = Input(Vec)
    p = Input(Scalar)
    f = Input(Vec)
    x_residual = Output(Vec)
    y_residual = Output(Vec)

    def forward(self, x, y, p, f):
        return x + p * inner(x, x) * x - y, mean(x.sub_batch, -1) - f


class Crowd(Springs):
    """Each spring feels the mean of all."""

    def forward(self, x, y, p, f):
        force, rest = super().forward(x, y, p, f)
        return force + mean(x.sub_batch, -1), rest

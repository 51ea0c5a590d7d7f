# SPDX-License-Identifier: MIT
"""Yield function of J2 plasticity."""

from __future__ import annotations

import math

from ...types import Scalar
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("YieldFunction")
class YieldFunction(Model):
    """Yield function, f = sqrt(2/3) (effective stress - sy - h); the hardening h is left out unless it is
    named. With the von Mises stress, df/dM has length one."""

    effective_stress = Input(Scalar)
    isotropic_hardening = Input(Scalar, optional=True)
    yield_function = Output(Scalar)
    yield_stress = Parameter(Scalar, name="sy", promotable=True)

    def forward(self, effective_stress: Scalar, h: Scalar | None, sy: Scalar) -> Scalar:
        overstress = effective_stress - sy
        return math.sqrt(2.0 / 3.0) * (overstress if h is None else overstress - h)

# SPDX-License-Identifier: MIT
"""Implicit time integration."""

from __future__ import annotations

from typing import Any

from ...types import R2, SR2, Scalar, Vec
from ..base import Model
from ..declarations import Input, Output, T
from ..registry import register_family


@register_family("{T}BackwardEulerTimeIntegration", (Scalar, SR2, R2, Vec))
class BackwardEulerTimeIntegration(Model):
    """Backward Euler residual, r = s - s~1 - (t - t~1) s_rate."""

    variable = Input(T)
    old_variable = Input(T, derived="{variable}~1")
    time = Input(Scalar, "t")
    old_time = Input(Scalar, derived="{time}~1")
    rate = Input(T, derived="{variable}_rate", override="rate")
    residual = Output(T, derived="{variable}_residual", rename="variable_residual")

    def forward(self, s: Any, s_n: Any, t: Scalar, t_n: Scalar, rate: Any) -> Any:
        return s - s_n - (t - t_n) * rate

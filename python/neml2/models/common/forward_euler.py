# SPDX-License-Identifier: MIT
"""Explicit time integration."""

from __future__ import annotations

from typing import Any

from ...types import R2, SR2, Scalar
from ..base import Model
from ..declarations import Input, Output, T
from ..registry import register_family


@register_family("{T}ForwardEulerTimeIntegration", (Scalar, SR2, R2))
class ForwardEulerTimeIntegration(Model):
    """Explicit Euler update, s = s~1 + (t - t~1) s_rate."""

    variable = Output(T)
    old_variable = Input(T, derived="{variable}~1", override="old_variable")
    time = Input(Scalar, "t")
    old_time = Input(Scalar, derived="{time}~1")
    rate = Input(T, derived="{variable}_rate", override="rate")

    def forward(self, s_n: Any, t: Scalar, t_n: Scalar, rate: Any) -> Any:
        return s_n + (t - t_n) * rate

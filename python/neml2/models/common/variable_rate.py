# SPDX-License-Identifier: MIT
"""The rate of a variable over a time step."""

from __future__ import annotations

from typing import Any

from ...types import R2, SR2, Scalar, Vec
from ..base import Model
from ..declarations import Input, Output, T
from ..registry import register_family


@register_family("{T}VariableRate", (Scalar, Vec, SR2, R2))
class VariableRate(Model):
    """Mean rate of a variable over the time step, rate = (v - v~1) / (t - t~1)."""

    variable = Input(T)
    old_variable = Input(T, derived="{variable}~1")
    time = Input(Scalar, "t")
    old_time = Input(Scalar, derived="{time}~1")
    rate = Output(T, derived="{variable}_rate", rename="variable_rate")

    def forward(self, v: Any, v_n: Any, t: Scalar, t_n: Scalar) -> Any:
        return (v - v_n) / (t - t_n)

# SPDX-License-Identifier: MIT
"""Annealing of hardening at high temperature."""

from __future__ import annotations

from typing import Any

from ...types import SR2, Scalar, lt, where
from ..base import Model
from ..declarations import Input, Output, Parameter, T
from ..registry import register_family


@register_family("{T}TwoStageThermalAnnealing", (Scalar, SR2))
class TwoStageThermalAnnealing(Model):
    """Rate of a hardening variable, its own rate below temperature T1, zero from T1 to T2, -base/tau above."""

    base_rate = Input(T)
    base = Input(T)
    temperature = Input(Scalar)
    modified_rate = Output(T)
    T1 = Parameter(Scalar)
    T2 = Parameter(Scalar)
    tau = Parameter(Scalar)

    def forward(self, rate: Any, base: Any, temperature: Scalar, T1: Scalar, T2: Scalar, tau: Scalar) -> Any:
        return where(lt(temperature, T1), rate, where(lt(temperature, T2), 0.0, -base / tau))

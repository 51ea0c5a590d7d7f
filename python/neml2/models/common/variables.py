# SPDX-License-Identifier: MIT
"""Constants as variables, and variables under another name."""

from __future__ import annotations

from typing import Any

from ...types import MRP, R2, SR2, SSR4, WR2, MillerIndex, Scalar, Vec
from ..base import Model
from ..declarations import BLOCK_NAME, Input, Output, Parameter, T
from ..registry import register_family

TYPES = (Scalar, Vec, MRP, WR2, R2, SR2, SSR4, MillerIndex)


@register_family("{T}ConstantParameter", TYPES)
class ConstantParameter(Model):
    """A constant as an output, parameter = value."""

    parameter = Output(T, BLOCK_NAME)
    value = Parameter(T, promotable=True)

    def forward(self, value: Any) -> Any:
        return value


@register_family("{T}InputParameter", TYPES)
class InputParameter(Model):
    """A variable to be taken as a parameter, parameter = variable."""

    variable = Input(T)
    parameter = Output(T)

    def forward(self, value: Any) -> Any:
        return value


@register_family("{T}ParameterToVariable", TYPES)
class ParameterToVariable(Model):
    """A parameter as a variable, to = from."""

    from_ = Parameter(T, name="param", promotable=True)
    to = Output(T)

    def forward(self, value: Any) -> Any:
        return value


@register_family("Copy{T}", TYPES)
class Copy(Model):
    """The same value under another name, to = from."""

    from_ = Input(T)
    to = Output(T)

    def forward(self, value: Any) -> Any:
        return value

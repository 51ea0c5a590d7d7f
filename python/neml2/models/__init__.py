# SPDX-License-Identifier: MIT
"""Material models: one small class each, grouped by physics. Their modules are imported when a type is
asked for."""

from __future__ import annotations

from .base import Model
from .composed import ComposedModel
from .declarations import (
    BLOCK_NAME,
    REQUIRED,
    Input,
    Inputs,
    Option,
    OptionFamily,
    Output,
    Parameter,
    Parameters,
    Reference,
    T,
    TensorOption,
    Variable,
)
from .registry import load_extension, register, register_family

__all__ = [
    "BLOCK_NAME",
    "REQUIRED",
    "ComposedModel",
    "Input",
    "Inputs",
    "Model",
    "Option",
    "OptionFamily",
    "Output",
    "Parameter",
    "Parameters",
    "Reference",
    "T",
    "TensorOption",
    "Variable",
    "load_extension",
    "register",
    "register_family",
]

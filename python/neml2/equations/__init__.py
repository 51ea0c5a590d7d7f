# SPDX-License-Identifier: MIT
"""Equation systems and the implicit update that solves them, with its predictors."""

from __future__ import annotations

from .implicit_update import ImplicitUpdate
from .nonlinear_system import Group, NonlinearSystem
from .predictors import ConstantExtrapolationPredictor, LinearExtrapolationPredictor

__all__ = [
    "ConstantExtrapolationPredictor",
    "Group",
    "ImplicitUpdate",
    "LinearExtrapolationPredictor",
    "NonlinearSystem",
]

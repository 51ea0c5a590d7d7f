# SPDX-License-Identifier: MIT
"""Nonlinear and linear solvers: their options as input files give them. The algorithms are in the C++ library."""

from __future__ import annotations

from .convergence import ConvergenceError, FailedPoint
from .linear import DenseLU
from .newton import Newton, NewtonWithLineSearch

__all__ = ["ConvergenceError", "DenseLU", "FailedPoint", "Newton", "NewtonWithLineSearch"]

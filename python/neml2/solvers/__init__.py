# SPDX-License-Identifier: MIT
"""Nonlinear and linear solvers: their options as input files give them. Newton's method is in the C++ library."""

from __future__ import annotations

from .convergence import ConvergenceError, FailedPoint
from .krylov import GMRES, BiCGStab, Krylov
from .linear import DenseLU, LinearSolver, SchurComplement
from .newton import Newton, NewtonWithLineSearch
from .preconditioners import (
    BlockJacobiPreconditioner,
    FullPreconditioner,
    JacobiPreconditioner,
    NoPreconditioner,
    Preconditioner,
)

__all__ = [
    "GMRES",
    "BiCGStab",
    "BlockJacobiPreconditioner",
    "ConvergenceError",
    "DenseLU",
    "FailedPoint",
    "FullPreconditioner",
    "JacobiPreconditioner",
    "Krylov",
    "LinearSolver",
    "Newton",
    "NewtonWithLineSearch",
    "NoPreconditioner",
    "Preconditioner",
    "SchurComplement",
]

# SPDX-License-Identifier: MIT
"""What a fit says about its parameters: standard errors, correlations, and directions that the data leave open.

Linearized at the solution, as in G. A. F. Seber and C. J. Wild, Nonlinear Regression (1989), ch. 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_DEAD = 1e-7
"""A direction whose effect is this part of the largest is flat, whatever the noise."""
_LOOSE = 0.5
"""A standard error along a direction, in logarithms of the parameters, from which on it counts as flat."""


@dataclass(frozen=True)
class Uncertainty:
    """By parameter, NaN at bounds and where nothing is known: `errors`, standard errors; `correlations`. `flat`:
    directions in which the data leave the parameters open, as relative changes of them, (directions, P); `loose`: how
    far each may go, one standard error, infinite for none of any effect."""

    errors: Array
    correlations: Array
    flat: Array
    loose: Array


def uncertainty(
    residual: Array, jacobian: Array, values: Array, held: Array, absolute: bool, normals: Array | None = None
) -> Uncertainty:
    """Of least squares with residuals (M,) and derivatives (M, P) by parameters `values`; `held`: which of them are at
    a bound. absolute: residuals are in units of their known noise; else it is estimated from them. normals: rows of
    linear constraints that hold, (constraints, P), along which nothing varies."""
    free = np.flatnonzero(~held)
    count = len(values)
    errors, correlations = np.full(count, np.nan), np.full((count, count), np.nan)
    if not len(free):
        return Uncertainty(errors, correlations, np.zeros((0, count)), np.zeros(0))
    size = np.where(values == 0, 1.0, np.abs(values))[free]
    basis = _null_space((np.zeros((0, count)) if normals is None else normals)[:, free] * size)
    if not basis.shape[1]:
        errors[free] = 0.0
        return Uncertainty(errors, correlations, np.zeros((0, count)), np.zeros(0))
    relative = jacobian[:, free] * size @ basis
    _, strength, directions = np.linalg.svd(relative, full_matrices=False)
    strength = np.pad(strength, (0, basis.shape[1] - len(strength)))
    if len(directions) < basis.shape[1]:
        directions = np.linalg.qr(directions.T, mode="complete")[0].T
    directions = directions @ basis.T
    freedom = max(len(residual) - basis.shape[1], 1)
    noise = 1.0 if absolute else float(np.sqrt(residual @ residual / freedom))
    dead = strength <= _DEAD * max(strength.max(), np.finfo(float).tiny)
    with np.errstate(divide="ignore"):
        width = np.where(dead, np.inf, noise / np.where(dead, 1.0, strength))
    flat = width > _LOOSE
    known = ~dead
    covariance = (directions[known].T * width[known] ** 2) @ directions[known]
    open_ = (np.abs(directions[dead]) > 1e-3).any(0)
    spread = np.sqrt(np.diagonal(covariance))
    errors[free] = np.where(open_, np.inf, spread * size)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = covariance / np.outer(spread, spread)
    found[open_] = found[:, open_] = np.nan
    correlations[np.ix_(free, free)] = found
    full = np.zeros((int(flat.sum()), count))
    full[:, free] = directions[flat]
    return Uncertainty(errors, correlations, full, width[flat])


def _null_space(rows: Array) -> Array:
    """Orthonormal columns that span what the rows leave free."""
    if not len(rows):
        return np.eye(rows.shape[1])
    _, strength, directions = np.linalg.svd(rows)
    rank = int((strength > 1e-12 * max(strength.max(), np.finfo(float).tiny)).sum())
    return directions[rank:].T


def named(direction: Array, names: list[str], values: Array) -> str:
    """A direction in words: `R up 1%, d down 0.4%`, the largest first."""
    order = np.argsort(-np.abs(direction), kind="stable")
    lead = direction[order[0]]
    parts = []
    for k in order:
        share = direction[k] / abs(lead) * np.sign(lead)
        if abs(share) >= 0.1:
            up = (share > 0) == (values[k] >= 0)
            parts.append(f"{names[k]} {'up' if up else 'down'} {abs(share):.2g}%")
    return ", ".join(parts)

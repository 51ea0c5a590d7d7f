# SPDX-License-Identifier: MIT
"""Material points at which an implicit update found no solution."""

from __future__ import annotations

from typing import NamedTuple

REASONS = ("all iterations used", "residual not finite", "singular Jacobian")
"""By status, from 1 on: the texts of the library."""


class _Point(NamedTuple):
    index: int
    iterations: int
    residual: float


class FailedPoint(_Point):
    """One material point that did not converge; as the tuple (index, iterations, residual).

    index: position in the flattened (row-major) batch of the call. residual: norm at the last iterate. reason: why the
    solve ended there, one of REASONS. cause: what made the residual not finite, where it is known.
    """

    reason: str
    cause: str

    def __new__(cls, index: int, iterations: int, residual: float, reason: str = "", cause: str = "") -> FailedPoint:
        point = super().__new__(cls, index, iterations, residual)
        point.reason, point.cause = reason, cause
        return point

    def __reduce__(self) -> tuple:
        return (FailedPoint, (*self, self.reason, self.cause))

    def __str__(self) -> str:
        words = [f"|r| = {self.residual:.3g}"] if self.residual - self.residual == 0 else []
        if self.reason:
            words.append(f"{self.reason}: {self.cause}" if self.cause else self.reason)
        return f"point {self.index} after {self.iterations} iterations ({', '.join(words)})"

# SPDX-License-Identifier: MIT
"""What is said about material points at which a nonlinear system was not solved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

STATUS = ("converged", "all iterations used", "residual not finite", "singular Jacobian")


def _base() -> type[Exception]:
    try:
        from ..aoti import ConvergenceError as Base
    except ImportError:  # without the compiled runtime
        return RuntimeError
    return Base


class _Point(NamedTuple):
    index: int
    iterations: int
    residual: float


class FailedPoint(_Point):
    """One material point that did not converge; as the tuple (index, iterations, residual).

    index: position in the flattened (row-major) batch of the call. residual: norm at the last iterate. reason: why
    the solve ended there, or the empty string.
    """

    reason: str

    def __new__(cls, index: int, iterations: int, residual: float, reason: str = "") -> FailedPoint:
        point = super().__new__(cls, index, iterations, residual)
        point.reason = reason
        return point

    def __reduce__(self) -> tuple:
        return (FailedPoint, (*self, self.reason))

    def __str__(self) -> str:
        reason = f", {self.reason}" if self.reason else ""
        return f"point {self.index} after {self.iterations} iterations (|r| = {self.residual:.3g}{reason})"


class ConvergenceError(_base()):  # type: ignore[misc]
    """Some material points did not converge. The caller can cut the step and try again.

    points: those that failed, in ascending order of their index.
    """

    recoverable = True

    def __init__(self, message: str, points: Sequence[FailedPoint] = ()) -> None:
        super().__init__(message)
        self.points = [point if isinstance(point, FailedPoint) else FailedPoint(*point) for point in points]

    def __reduce__(self) -> tuple:
        return (type(self), (str(self), self.points))


def describe(points: Sequence[FailedPoint], total: int, shown: int = 3) -> str:
    """`2 of 100 points did not converge: point 7 ..., point 9 ...`"""
    if total == 1:
        return "did not converge " + str(points[0]).removeprefix("point 0 ")
    listed = ", ".join(str(point) for point in points[:shown])
    more = ", ..." if len(points) > shown else ""
    return f"{len(points)} of {total} points did not converge: {listed}{more}"

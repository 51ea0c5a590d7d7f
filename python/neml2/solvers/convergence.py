# SPDX-License-Identifier: MIT
"""What is said about material points at which a nonlinear system was not solved."""

from __future__ import annotations

from collections.abc import Sequence

from ..failures import FailedPoint


def _base() -> type[Exception]:
    try:
        from ..aoti import ConvergenceError as Base
    except ImportError:  # without the compiled runtime
        return RuntimeError
    return Base


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

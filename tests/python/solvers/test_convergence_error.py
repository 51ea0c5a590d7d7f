# SPDX-License-Identifier: MIT
"""The error about points that did not converge."""

import copy
import pickle

from neml2.solvers import ConvergenceError, FailedPoint
from neml2.solvers.convergence import describe


def test_points_are_tuples_with_names():
    error = ConvergenceError("text", [(3, 24, 1e-3), FailedPoint(5, 2, 0.1, "singular Jacobian")])
    index, iterations, residual = error.points[0]
    assert (index, iterations, residual) == (3, 24, 1e-3) == error.points[0]
    assert error.points[1].reason == "singular Jacobian"
    assert error.recoverable


def test_it_travels_between_processes():
    error = ConvergenceError("text", [FailedPoint(5, 2, 0.1, "singular Jacobian")])
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(other) == "text"
        assert other.points == error.points and other.points[0].reason == "singular Jacobian"


def test_it_is_the_error_of_compiled_models():
    from neml2 import aoti

    assert issubclass(ConvergenceError, aoti.ConvergenceError)


def test_words():
    points = [FailedPoint(i, 24, 1.0, "all iterations used") for i in range(5)]
    text = describe(points, 100)
    assert text.startswith(
        "5 of 100 points did not converge: point 0 after 24 iterations (|r| = 1, all iterations used)"
    )
    assert text.endswith(", ...") and "point 2" in text and "point 3" not in text
    assert describe(points[:1], 1) == "did not converge after 24 iterations (|r| = 1, all iterations used)"

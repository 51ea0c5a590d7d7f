# SPDX-License-Identifier: MIT
"""Steps of least squares: closed-form minima, bounds, constraints, and points that cannot be evaluated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.calibration import FitParameter
from neml2.calibration.constraints import parse
from neml2.calibration.gauss_newton import GaussNewton
from neml2.calibration.parameter import Coordinates

pytest.importorskip("piqp")


def minimize(residual, starts, parameters=None, text="", tolerance=1e-12):
    """Outcomes in values. `residual(x)` gives residuals and their Jacobian, or None."""
    starts = np.atleast_2d(np.asarray(starts, float))
    parameters = parameters or [FitParameter(f"x{k}") for k in range(starts.shape[1])]
    coordinates = Coordinates(parameters, starts[0])

    def evaluate(values):
        found = [residual(x) for x in values]
        like = next((f for f in found if f is not None), (np.zeros(1), np.zeros((1, starts.shape[1]))))
        nothing = tuple(np.full_like(part, np.nan) for part in like)
        rows = [f if f is not None else nothing for f in found]
        return np.stack([r for r, _ in rows]), np.stack([J for _, J in rows]), np.array([f is not None for f in found])

    limits = parse(text, [p.name for p in parameters])
    outcomes = GaussNewton(evaluate, coordinates, limits, tolerance, 500).minimize(coordinates.of(starts))
    return [(coordinates.values(o.z), o) for o in outcomes]


def linear(A, b):
    return lambda x: (A @ x - b, A)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_a_linear_problem_with_bounds_satisfies_its_optimality_conditions(seed):
    random = np.random.default_rng(seed)
    A, b = random.standard_normal((7, 4)), random.standard_normal(7)
    low = random.uniform(-1, 0, 4)
    bounds = [FitParameter(f"x{k}", lower=low[k], upper=low[k] + 0.7) for k in range(4)]
    ((x, outcome),) = minimize(linear(A, b), low + 0.3, bounds)
    assert outcome.status == "converged"
    gradient = A.T @ (A @ x - b)
    at_low, at_high = x < low + 1e-7, x > low + 0.7 - 1e-7
    assert (np.abs(gradient[~at_low & ~at_high]) < 1e-5).all()
    assert (gradient[at_low] > -1e-5).all() and (gradient[at_high] < 1e-5).all()


def test_an_equality_holds_and_the_gradient_is_normal_to_it():
    random = np.random.default_rng(3)
    A, b = random.standard_normal((6, 3)), random.standard_normal(6)
    ((x, _),) = minimize(linear(A, b), [1.0, 2.0, 3.0], text="x0 + 2*x1 - x2 == 0.5")
    normal = np.array([1.0, 2.0, -1.0])
    assert normal @ x == pytest.approx(0.5, abs=1e-8)
    gradient = A.T @ (A @ x - b)
    assert np.linalg.norm(gradient - normal * (gradient @ normal) / 6) < 1e-6


def test_constraints_hold_between_logarithms_too():
    """The nearest point to (1, 10) with x0 >= x1 is (5.5, 5.5)."""
    both = [FitParameter(f"x{k}", lower=0.01, upper=100, transform="log") for k in range(2)]
    found = minimize(linear(np.eye(2), np.array([1.0, 10.0])), [[0.1, 50.0], [60.0, 2.0]], both, "x0 >= x1")
    for x, outcome in found:
        np.testing.assert_allclose(x, 5.5, rtol=1e-5)
        assert outcome.status == "converged"


def rosenbrock(x):
    return np.array([1 - x[0], 10 * (x[1] - x[0] ** 2)]), np.array([[-1.0, 0.0], [-20 * x[0], 10.0]])


def test_many_starts_find_the_valley_of_rosenbrock():
    starts = np.random.default_rng(0).uniform(-2, 2, (12, 2))
    for x, _ in minimize(rosenbrock, starts):
        np.testing.assert_allclose(x, 1, atol=1e-5)


def test_a_start_goes_its_way_whatever_the_others_do():
    starts = np.random.default_rng(1).uniform(-2, 2, (5, 2))
    parameters = [FitParameter(f"x{k}", lower=-3, upper=3) for k in range(2)]
    together = minimize(rosenbrock, starts, parameters)
    for start, (x, outcome) in zip(starts, together, strict=True):
        ((alone, again),) = minimize(rosenbrock, start, parameters)
        np.testing.assert_allclose(x, alone, rtol=1e-9)
        assert outcome.iterations == again.iterations


def test_points_that_cannot_be_evaluated_are_steps_refused():
    """r = ln x - 1, which a full step from 20 leaves for x < 0."""
    tried = []

    def residual(x):
        tried.append(x[0])
        return (np.log(x) - 1, np.diag(1 / x)) if x[0] > 0 else None

    ((x, outcome),) = minimize(residual, [20.0])
    assert x[0] == pytest.approx(np.e) and outcome.status == "converged" and min(tried) < 0


def test_a_start_that_cannot_be_evaluated_comes_nearer():
    residual = lambda x: (x - 2, np.eye(1)) if abs(x[0]) < 10 else None  # noqa: E731
    for x, outcome in minimize(residual, [[1.0], [60.0]]):
        assert x[0] == pytest.approx(2) and outcome.status == "converged"
    ((_, outcome),) = minimize(residual, [100.0])
    assert outcome.status == "failed" and np.isinf(outcome.cost)


def test_constraints_that_leave_nothing_are_told():
    bounds = [FitParameter("x0", lower=0, upper=1)]
    ((_, outcome),) = minimize(linear(np.eye(1), np.ones(1)), [0.5], bounds, "x0 >= 2")
    assert outcome.status == "infeasible"


@pytest.mark.parametrize(
    ("text", "row", "low", "high"),
    [
        ("a >= 2*b + 1", [1, -2], 1, np.inf),
        ("-(a - b)/4 <= 3", [-0.25, 0.25], -np.inf, 3),
        ("2 == a*3", [-3, 0], -2, -2),
    ],
)
def test_constraints_are_read(text, row, low, high):
    found = parse(text, ["a", "b"])
    np.testing.assert_allclose(found.rows, [row])
    assert (found.low[0], found.high[0]) == (low, high)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a > b", "no constraint"),
        ("a*b <= 1", "not linear"),
        ("alpha <= 1", "did you mean 'alphas'"),
        ("a <=", "expected"),
    ],
)
def test_constraints_that_cannot_be_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse(text, ["a", "b", "alphas"])


@given(st.booleans(), st.floats(0.1, 1e3), st.floats(1.01, 1e3), st.floats(0, 1))
def test_coordinates_go_back_and_forth_and_keep_to_the_bounds(log, low, ratio, share):
    parameter = FitParameter("p", lower=low, upper=low * ratio, transform="log" if log else "linear")
    value = min(low + share * low * (ratio - 1), low * ratio)
    coordinates = Coordinates([parameter], np.array([value]))
    z = coordinates.of(np.array([value]))
    np.testing.assert_allclose(coordinates.values(z), [value], rtol=1e-12)
    assert -1e-9 <= z[0] <= 1 + 1e-9
    assert coordinates.values(np.array([2.0]))[0] == low * ratio and coordinates.values(np.array([-1.0]))[0] == low
    step = 1e-6
    inside = np.array([0.3 + 0.4 * share])
    central = (coordinates.values(inside + step) - coordinates.values(inside - step)) / (2 * step)
    np.testing.assert_allclose(coordinates.slopes(inside), central, rtol=1e-5)

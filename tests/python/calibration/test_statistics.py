# SPDX-License-Identifier: MIT
"""Standard errors, correlations and flat directions, where they are known."""

from __future__ import annotations

import numpy as np

from neml2.calibration.statistics import named, uncertainty

FREE = np.zeros(2, bool)


def test_a_straight_line_has_the_errors_of_the_textbook():
    """y = a + b x: var b = s^2 / Sxx, var a = s^2 (1/n + mean^2 / Sxx), cov = -mean s^2 / Sxx."""
    random = np.random.default_rng(0)
    x = random.uniform(0, 5, 40)
    J = np.stack([np.ones_like(x), x], -1)
    y = 2 - 3 * x + random.standard_normal(40)
    values, *_ = np.linalg.lstsq(J, y, rcond=None)
    r = J @ values - y
    s2, sxx, mean = r @ r / 38, ((x - x.mean()) ** 2).sum(), x.mean()
    found = uncertainty(r, J, values, FREE, absolute=False)
    np.testing.assert_allclose(found.errors, np.sqrt([s2 * (1 / 40 + mean**2 / sxx), s2 / sxx]), rtol=1e-10)
    expected = -mean / np.sqrt(sxx / 40 + mean**2)
    np.testing.assert_allclose(found.correlations, [[1, expected], [expected, 1]], rtol=1e-10)
    known = uncertainty(r, J, values, FREE, absolute=True)
    np.testing.assert_allclose(known.errors, found.errors / np.sqrt(s2), rtol=1e-10)
    assert len(found.flat) == 0


def test_a_constraint_that_holds_leaves_less_to_err():
    """y = a + b x, a + b = 1, is y - 1 = b (x - 1): var b = s^2 / sum (x - 1)^2, and a errs as much."""
    random = np.random.default_rng(4)
    x = random.uniform(2, 5, 30)
    y = 3 - 2 * x + random.standard_normal(30)
    b = (x - 1) @ (y - 1) / ((x - 1) @ (x - 1))
    J = np.stack([np.ones(30), x], -1)
    values = np.array([1 - b, b])
    r = J @ values - y
    found = uncertainty(r, J, values, FREE, absolute=False, normals=np.array([[1.0, 1.0]]))
    expected = np.sqrt(r @ r / 29 / ((x - 1) @ (x - 1)))
    np.testing.assert_allclose(found.errors, [expected, expected], rtol=1e-10)
    assert found.correlations[0, 1] == -1 or abs(found.correlations[0, 1] + 1) < 1e-12
    both = uncertainty(r, J, values, FREE, absolute=False, normals=np.array([[1.0, 1.0], [1.0, 0.0]]))
    assert both.errors.tolist() == [0, 0]


def test_errors_are_those_of_repeated_experiments():
    """The spread of fits to many samples of noise."""
    random = np.random.default_rng(1)
    J = random.standard_normal((30, 2))
    truth = np.array([4.0, -2.0])
    fits = [np.linalg.lstsq(J, J @ truth + 0.1 * random.standard_normal(30), rcond=None)[0] for _ in range(4000)]
    found = uncertainty(np.zeros(30), J / 0.1, truth, FREE, absolute=True)
    np.testing.assert_allclose(np.std(fits, axis=0), found.errors, rtol=0.05)


def test_a_product_of_two_parameters_is_a_flat_direction():
    """Residuals know a b alone, so a may go up by as many per cent as b goes down."""
    values = np.array([5.0, 0.2, 3.0])
    x = np.linspace(0, 1, 9)
    J = np.stack([values[1] * x, values[0] * x, np.cos(x)], -1)
    found = uncertainty(0.01 * np.sin(9 * x), J, values, np.zeros(3, bool), absolute=False)
    assert len(found.flat) == 1 and np.isinf(found.loose[0])
    assert named(found.flat[0], ["a", "b", "c"], values) in ("a up 1%, b down 1%", "b up 1%, a down 1%")
    assert np.isinf(found.errors[:2]).all() and np.isfinite(found.errors[2])


def test_what_nothing_depends_on_and_what_a_bound_holds():
    J = np.array([[1.0, 0.0, 2.0], [1.0, 0.0, -1.0], [0.5, 0.0, 1.0]])
    held = np.array([False, False, True])
    found = uncertainty(np.array([0.1, -0.1, 0.0]), J, np.array([1.0, 2.0, 3.0]), held, absolute=False)
    assert np.isfinite(found.errors[0]) and np.isinf(found.errors[1]) and np.isnan(found.errors[2])
    np.testing.assert_allclose(np.abs(found.flat), [[0, 1, 0]])


def test_fewer_residuals_than_parameters_leave_directions_open():
    found = uncertainty(np.array([0.1]), np.array([[1.0, 1.0, 0.0]]), np.ones(3), np.zeros(3, bool), absolute=False)
    assert len(found.flat) >= 2
    np.testing.assert_allclose(found.flat[np.isinf(found.loose)] @ [1.0, 1.0, 0.0], 0, atol=1e-12)


def test_with_all_at_bounds_nothing_is_known():
    found = uncertainty(np.ones(2), np.eye(2), np.ones(2), np.ones(2, bool), absolute=False)
    assert np.isnan(found.errors).all() and len(found.flat) == 0

# SPDX-License-Identifier: MIT
"""The orchestrator in C++ with residuals in Python, against a reference that knows one point at a time."""

import numpy as np
import pytest
import torch
from neml2._neml2 import newton
from newton_reference import Options, solve

F64 = torch.float64
rng = np.random.default_rng(7)


def never(u, points):
    raise AssertionError("not to be called")


class Batch:
    """r = A u + c u^3 - b, a system per point, with a log of the rows asked for."""

    def __init__(self, points, n, hard=3.0):
        self.a = rng.normal(size=(points, n, n)) * 0.3 + np.eye(n) * 2
        self.b = rng.normal(size=(points, n)) * rng.uniform(0.1, 30, size=(points, 1))
        self.c = rng.uniform(0.0, hard, size=(points, n))
        self.asked = []

    def point(self, p):
        def function(u):
            r = self.a[p] @ u + self.c[p] * u**3 - self.b[p]
            return r, self.a[p] + np.diag(3 * self.c[p] * u**2)

        return function

    def rows(self, u, points):
        index = np.arange(len(self.b)) if points is None else points.numpy()
        self.asked.append(index)
        pairs = [self.point(p)(v) for p, v in zip(index, u.numpy(), strict=True)]
        return tuple(torch.tensor(np.array(part)) for part in zip(*pairs, strict=True))

    def residual(self, u, points):
        return self.rows(u, points)[0]


def settings(options):
    found = {"abs_tol": options.abs_tol, "rel_tol": options.rel_tol, "max_its": options.max_its}
    if options.search:
        found |= {
            "type": "NewtonWithLineSearch",
            "linesearch_type": options.search,
            "max_linesearch_iterations": options.max_linesearch_iterations,
            "linesearch_cutback": options.cutback,
            "linesearch_stopping_criteria": options.criteria,
        }
    return found


@pytest.mark.parametrize("search", ["", "BACKTRACKING", "STRONG_WOLFE"])
@pytest.mark.parametrize("n", [1, 3, 7])
def test_agrees_with_the_reference(search, n):
    options = Options(search=search, max_its=12)
    batch = Batch(37, n)
    guess = torch.zeros(37, n, dtype=F64)
    u, outcome = newton(guess, batch.rows, batch.residual, settings(options))
    for p in range(37):
        expected, status, updates = solve(batch.point(p), np.zeros(n), options)
        assert int(outcome["status"][p]) == status
        assert int(outcome["iterations"][p]) == updates
        np.testing.assert_allclose(u[p].numpy(), expected, rtol=1e-9, atol=1e-11)
    assert outcome["iterations"].unique().numel() > 1
    assert torch.equal(guess, torch.zeros_like(guess))


def test_points_that_have_converged_are_not_asked_for_again():
    batch = Batch(50, 2)
    _, outcome = newton(torch.zeros(50, 2, dtype=F64), batch.rows, batch.residual, settings(Options()))
    for p in range(50):
        assert sum(p in rows for rows in batch.asked) == int(outcome["iterations"][p]) + 1
    assert all((np.diff(rows) > 0).all() for rows in batch.asked)


def test_a_point_is_the_same_alone_bit_for_bit():
    batch = Batch(20, 6)
    together, _ = newton(torch.zeros(20, 6, dtype=F64), batch.rows, batch.residual, settings(Options()))
    for p in range(20):
        one = Batch(1, 6)
        one.a, one.b, one.c = batch.a[p : p + 1], batch.b[p : p + 1], batch.c[p : p + 1]
        alone, _ = newton(torch.zeros(1, 6, dtype=F64), one.rows, one.residual, settings(Options()))
        assert torch.equal(alone[0], together[p])


def test_failures_are_told_apart():
    def rows(u, points):
        index = torch.arange(4) if points is None else points
        r = torch.stack([u[:, 0] ** 2 + 1, u[:, 1]], -1)  # no root
        jacobian = torch.diag_embed(torch.stack([2 * u[:, 0], torch.ones(len(u), dtype=F64)], -1))
        r[index == 1] = torch.nan
        r[index == 2] = 0.0
        jacobian[index == 3] = 0.0
        return r, jacobian

    guess = torch.full((4, 2), 0.7, dtype=F64)
    u, outcome = newton(guess, rows, lambda u, p: rows(u, p)[0], settings(Options()))
    assert outcome["status"].tolist() == [1, 2, 0, 3]
    assert outcome["failed"].tolist() == [0, 1, 3]
    assert outcome["iterations"].tolist() == [24, 0, 0, 0]
    assert torch.equal(u[2], guess[2])


def test_no_points():
    u, outcome = newton(torch.zeros(0, 3, dtype=F64), never, never, settings(Options()))
    assert u.shape == (0, 3) and len(outcome["failed"]) == 0


def test_float32():
    batch = Batch(5, 3, hard=0.1)

    def rows(u, points):
        return tuple(part.float() for part in batch.rows(u.double(), points))

    u, _ = newton(torch.zeros(5, 3), rows, never, {"abs_tol": 1e-3, "rel_tol": 1e-5, "max_its": 25})
    expected, _ = newton(torch.zeros(5, 3, dtype=F64), batch.rows, never, settings(Options()))
    assert u.dtype == torch.float32
    torch.testing.assert_close(u.double(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("guess", "rows", "error", "text"),
    [
        ([0.0], never, TypeError, "torch.Tensor"),
        (torch.zeros(3), never, ValueError, r"\(points, unknowns\)"),
        (torch.zeros(3, 2, dtype=torch.int64), never, ValueError, "float32 or float64"),
        (torch.zeros(3, 2), lambda u, p: u, TypeError, "residual and Jacobian"),
        (torch.zeros(3, 2), lambda u, p: (u, u), ValueError, r"Jacobian has shape \[3, 2\], expected \[3, 2, 2\]"),
        (torch.zeros(3, 2), lambda u, p: (1.0, u), TypeError, "the residual must be"),
        (torch.zeros(3, 2), lambda u, p: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_what_callers_do_wrong(guess, rows, error, text):
    with pytest.raises(error, match=text):
        newton(guess, rows, never, settings(Options()))

# SPDX-License-Identifier: MIT
"""Krylov solvers and preconditioners, alone and in Newton's method."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.equations import ImplicitUpdate, NonlinearSystem
from neml2.models import Input, Model, Output
from neml2.solvers import (
    GMRES,
    BiCGStab,
    BlockJacobiPreconditioner,
    DenseLU,
    FullPreconditioner,
    JacobiPreconditioner,
    Newton,
    NewtonWithLineSearch,
    NoPreconditioner,
)
from neml2.solvers.krylov import NotConverged
from neml2.types import Scalar, Vec, inner

F64 = torch.float64
PRECONDITIONERS = [NoPreconditioner, JacobiPreconditioner, BlockJacobiPreconditioner, FullPreconditioner]


def systems(n, batch, seed):
    g = torch.Generator().manual_seed(seed)
    A = torch.randn(batch, n, n, dtype=F64, generator=g) / n**0.5 + 3.0 * torch.eye(n, dtype=F64)
    return A, torch.randn(batch, n, dtype=F64, generator=g)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 12), batch=st.integers(1, 4), seed=st.integers(0, 99), kind=st.sampled_from([GMRES, BiCGStab]))
def test_solves_to_the_tolerance(n, batch, seed, kind):
    A, b = systems(n, batch, seed)
    x = kind(rel_tol=1e-10).solve_columns(A, b.unsqueeze(-1)).squeeze(-1)
    r = torch.linalg.vector_norm(b - (A @ x.unsqueeze(-1)).squeeze(-1), dim=-1)
    assert (r <= 1e-9 * torch.linalg.vector_norm(b, dim=-1)).all()


@pytest.mark.parametrize("kind", [GMRES, BiCGStab])
@pytest.mark.parametrize("preconditioner", PRECONDITIONERS)
def test_preconditioners(kind, preconditioner):
    A, b = systems(8, 3, 1)
    A = A * torch.logspace(0, 4, 8, dtype=F64).unsqueeze(-1)  # badly scaled rows
    solver, P = kind(rel_tol=1e-12), preconditioner()
    factor = P.build(A, [3, 5])
    x, iterations = solver.solve(lambda v: (A @ v.unsqueeze(-1)).squeeze(-1), b, lambda v: P.apply(factor, v))
    if preconditioner is FullPreconditioner:
        assert iterations <= 2
    torch.testing.assert_close(x, torch.linalg.solve(A, b), rtol=1e-6, atol=1e-8)


def test_gmres_needs_as_many_iterations_as_eigenvalues():
    A = torch.diag(torch.tensor([1.0, 1.0, 2.0, 2.0, 5.0, 5.0], dtype=F64)).unsqueeze(0)
    x, iterations = GMRES(rel_tol=1e-12).solve(lambda v: v @ A[0], torch.ones(1, 6, dtype=F64), lambda v: v)
    assert iterations == 3
    torch.testing.assert_close(x, 1 / A.diagonal(dim1=-2, dim2=-1))


def test_restarts_and_zero_right_hand_sides():
    A, b = systems(10, 2, 4)
    b[1] = 0.0
    x = GMRES(restart=3, rel_tol=1e-10).solve_columns(A, b.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(x, torch.linalg.solve(A, b), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kind", [GMRES, BiCGStab])
def test_using_up_the_iterations_is_a_warning(kind):
    A, b = systems(10, 2, 4)
    with pytest.warns(NotConverged, match="2 of 2 systems not solved to the tolerance in 1 iterations"):
        kind(max_its=1, rel_tol=1e-12).solve_columns(A, b.unsqueeze(-1))


class Springs(Model):
    """r = x + p |x|^2 x - y a, q = y + 0.3 x . a - f."""

    x = Input(Vec)
    y = Input(Scalar)
    p = Input(Scalar)
    f = Input(Scalar)
    x_residual = Output(Vec)
    y_residual = Output(Scalar)

    def forward(self, x, y, p, f):
        ones = Vec(torch.tensor([1.0, 2.0, -1.0], dtype=F64))
        return x + p * inner(x, x) * x - y * ones, y + 0.3 * inner(x, ones) - f


def solve(linear, newton=Newton):
    system = NonlinearSystem("eq", model=Springs("m"), unknowns=[["x", "y"]])
    update = ImplicitUpdate("u", equation_system=system, solver=newton(linear_solver=linear))
    g = torch.Generator().manual_seed(0)
    inputs = {
        "x": Vec(torch.zeros(3, dtype=F64)),
        "y": Scalar(torch.tensor(0.0, dtype=F64)),
        "p": Scalar(torch.rand(5, dtype=F64, generator=g)),
        "f": Scalar(torch.linspace(0, 2, 5, dtype=F64)),  # the first point needs no update, the last one several
    }
    return update.jacobian(inputs)


@pytest.mark.parametrize("kind", [GMRES, BiCGStab])
@pytest.mark.parametrize("preconditioner", [None, *PRECONDITIONERS])
@pytest.mark.parametrize("cache", ["none", "chord", "max_its"])
def test_newton_finds_the_same_solution(kind, preconditioner, cache):
    expected, slopes = solve(DenseLU())
    options = {"preconditioner": preconditioner()} if preconditioner else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotConverged)
        found, blocks = solve(kind(cache_strategy=cache, cache_max_its=2, **options))
    for name in ("x", "y"):
        torch.testing.assert_close(found[name].data, expected[name].data, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(blocks[name]["f"], slopes[name]["f"], rtol=1e-6, atol=1e-8)


def test_with_a_line_search():
    expected, found = (solve(linear, NewtonWithLineSearch)[0] for linear in (DenseLU(), GMRES()))
    torch.testing.assert_close(found["x"].data, expected["x"].data, rtol=1e-7, atol=1e-9)


def test_options():
    for options, text in [
        ({"max_its": 0}, "no number of iterations"),
        ({"rel_tol": -1.0}, "no tolerance"),
        ({"cache_strategy": "always"}, "not one of"),
        ({"preconditioner": DenseLU()}, "a DenseLU is no preconditioner"),
    ]:
        with pytest.raises(ValueError, match=text):
            GMRES(**options)
    with pytest.raises(ValueError, match="no option 'restart'"):
        BiCGStab(restart=3)

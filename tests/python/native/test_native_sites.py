# SPDX-License-Identifier: MIT
"""Kernels with loops over sites: the answers of the eager update, by eliminating site by site."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from native_kernels import built

from neml2.compiler.backends.native.lower import lowered, program_of
from neml2.compiler.backends.native.text import kernel, pieces
from neml2.compiler.plan.layout import Request
from neml2.compiler.plan.segments import capture_model
from neml2.equations import ImplicitUpdate, NonlinearSystem
from neml2.solvers import DenseLU, Newton, NewtonWithLineSearch
from neml2.types import Scalar, Vec, mean
from springs import Crowd, Springs

F64 = torch.float64
SITES = 6


class Line(Springs):
    """Each spring is held by its neighbours."""

    def forward(self, x, y, p, f):
        force, rest = super().forward(x, y, p, f)
        before = torch.cat([x.data[:1] * 0, x.data[:-1]], 0)
        after = torch.cat([x.data[1:], x.data[-1:] * 0], 0)
        return force + Vec(0.4 * x.data - 0.3 * before - 0.1 * after, sub_batch_ndim=1), rest


class CrowdedLine(Line):
    """Both."""

    def forward(self, x, y, p, f):
        force, rest = super().forward(x, y, p, f)
        return force + mean(x.sub_batch, -1), rest


MODELS = (Springs, Crowd, Line, CrowdedLine)


def update(model: type[Springs], solver: type[Newton] = Newton) -> ImplicitUpdate:
    system = NonlinearSystem("eq", model=model("m"), unknowns=[["x", "y"]])
    return ImplicitUpdate("u", equation_system=system, solver=solver(linear_solver=DenseLU()))


REQUEST = {"x": (SITES,), "p": (SITES,)}


@cache
def kernels(model: type[Springs], line_search: bool = False):
    """The kernel along sites, and that in which they are written out."""
    u = update(model, NewtonWithLineSearch if line_search else Newton)
    request = Request(pairs=[("x", "f"), ("y", "f")], sub_batch=REQUEST)
    captured, program = lowered(u, request, F64)
    assert any(captured.graph.size), "the sites were written out"
    return program, built(program), built(program_of(capture_model(u, request, F64)))


def values(points: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": np.zeros((points, SITES, 3)),
        "y": np.zeros((points, 3)),
        "p": rng.uniform(0, 1, (points, SITES)),
        "f": rng.uniform(0, 1, (points, 3)),
    }


@pytest.mark.parametrize("points", (1, 13))
@pytest.mark.parametrize("model", MODELS)
def test_sites_as_loops_and_written_out_agree(model, points):
    _, along, dense = kernels(model)
    given = values(points)
    moving = {"f": np.random.default_rng(1).normal(size=(points, 3))}
    back = {n: np.random.default_rng(2).normal(size=given[n].shape) for n in ("x", "y")}
    for function, more in (("forward", ()), ("jacobian", ()), ("jvp", (moving,)), ("vjp", (back,))):
        *found, report = getattr(along, function)(given, *more)
        *want, expected = getattr(dense, function)(given, *more)
        np.testing.assert_array_equal(report.iterations, expected.iterations)
        for a, b in zip(found, want, strict=True):
            assert list(a) == list(b)
            for name in b:
                np.testing.assert_allclose(a[name], b[name], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_the_solution_solves_the_equations(model):
    _, along, _ = kernels(model)
    given = values(5)
    found, _ = along.forward(given)
    for k in range(5):
        x, y = torch.tensor(found["x"][k]), torch.tensor(found["y"][k])
        p, f = torch.tensor(given["p"][k]), torch.tensor(given["f"][k])
        residual = model("m").forward(Vec(x, sub_batch_ndim=1), Vec(y), Scalar(p, sub_batch_ndim=1), Vec(f))
        assert max(float(r.data.abs().max()) for r in residual) < 1e-8


def test_the_derivative_is_that_of_finite_differences():
    _, along, _ = kernels(CrowdedLine)
    given = values(3)
    blocks = along.jacobian(given)[1]
    step = 1e-6
    for k in range(3):
        moved = [{**given, "f": given["f"] + sign * step * np.eye(3)[k]} for sign in (1, -1)]
        up, down = (along.forward(m)[0] for m in moved)
        for name in ("x", "y"):
            slope = (up[name] - down[name]) / (2 * step)
            np.testing.assert_allclose(blocks[name, "f"][..., k], slope, rtol=1e-6, atol=1e-7)


MANY = 19
"""Sites that fill lanes, the last ones not all of them."""


@pytest.mark.parametrize("points", (1, 11))
def test_many_sites_of_a_point_are_computed_side_by_side(points):
    request = Request(pairs=[("x", "f"), ("y", "f")], sub_batch={"x": (MANY,), "p": (MANY,)})
    program = lowered(update(Crowd), request, F64)[1]
    assert "forward_wide" not in kernel.source(program)
    along = built(program)
    rng = np.random.default_rng(4)
    given = {
        "x": np.zeros((points, MANY, 3)),
        "y": np.zeros((points, 3)),
        "p": rng.uniform(0, 1, (points, MANY)),
        "f": rng.uniform(0, 1, (points, 3)),
    }
    found, blocks, _ = along.jacobian(given)
    for k in range(points):
        state = (Vec(torch.tensor(found["x"][k]), sub_batch_ndim=1), Vec(torch.tensor(found["y"][k])))
        p, f = Scalar(torch.tensor(given["p"][k]), sub_batch_ndim=1), Vec(torch.tensor(given["f"][k]))
        assert max(float(r.data.abs().max()) for r in Crowd("m").forward(*state, p, f)) < 1e-8
    step = 1e-6
    up, down = (along.forward({**given, "f": given["f"] + sign * step * np.eye(3)[1]})[0] for sign in (1, -1))
    for name in ("x", "y"):
        slope = (up[name] - down[name]) / (2 * step)
        np.testing.assert_allclose(blocks[name, "f"][..., 1], slope, rtol=1e-6, atol=1e-7)


def test_a_line_search_goes_over_all_sites():
    _, along, dense = kernels(Crowd, line_search=True)
    given = values(9)
    found, report = along.forward(given)
    want, expected = dense.forward(given)
    np.testing.assert_array_equal(report.iterations, expected.iterations)
    np.testing.assert_allclose(found["x"], want["x"], rtol=1e-11, atol=1e-12)


def test_a_point_that_is_not_finite_fails_alone():
    _, along, _ = kernels(Springs)
    given = values(4)
    given["p"][2, 3] = np.nan
    found, report = along.forward(given)
    assert [bool(k) for k in report.status] == [False, False, True, False]
    assert np.isfinite(found["x"][[0, 1, 3]]).all()


def test_code_does_not_grow_with_the_sites():
    def statements(count: int) -> int:
        request = Request(pairs=[("x", "f")], sub_batch={"x": (count,), "p": (count,)})
        return kernel.source(lowered(update(Springs), request, F64)[1]).count(" = ")

    assert statements(2000) == statements(3000)


def test_derivatives_by_what_has_sites_are_written_out():
    request = Request(pairs=[("y", "p")], sub_batch=REQUEST)
    captured, program = lowered(update(Springs), request, F64)
    assert not any(captured.graph.size)
    given = values(2)
    blocks = built(program).jacobian(given)[1]
    assert blocks["y", "p"].shape == (2, 3, SITES)


def test_long_bodies_of_loops_are_split(monkeypatch):
    """Also where the function around the loop is split as well."""
    program, along, _ = kernels(CrowdedLine)
    whole = kernel.source(program).count("noinline")
    monkeypatch.setattr(pieces, "LONG", 8)
    monkeypatch.setattr(pieces, "PIECE", 7)
    assert kernel.source(program).count("noinline") > whole + 8
    given = values(13)
    found, wanted = built(program).jacobian(given), along.jacobian(given)
    for name in ("x", "y"):
        np.testing.assert_allclose(found[0][name], wanted[0][name], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(found[1][name, "f"], wanted[1][name, "f"], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("model", (Springs, CrowdedLine))
def test_adjoints_of_variables_with_sites_keep_the_sites(model):
    """The other derivatives by such a variable write the sites out; they give the same."""
    u, request = update(model), Request(pairs=[("x", "p"), ("y", "p"), ("x", "f")], sub_batch=REQUEST)
    captured, program = lowered(u, request, F64, ("vjp",))
    assert any(captured.graph.size)
    other, whole = lowered(u, request, F64)
    assert not any(other.graph.size)
    given = values(5)
    back = {n: np.random.default_rng(2).normal(size=given[n].shape) for n in ("x", "y")}
    found, want = (built(p).vjp(given, back)[1] for p in (program, whole))
    assert abs(want["p"]).max() > 0.1
    for name in ("p", "f"):
        np.testing.assert_allclose(found[name], want[name], rtol=0, atol=1e-12)

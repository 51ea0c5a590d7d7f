# SPDX-License-Identifier: MIT
"""Sequential quadratic programming: minima that are known, each point by itself, from Python and from C++."""

from __future__ import annotations

import gc
import math
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.native import SQP, NumericalFunction, generate_module, piqp
from neml2.solvers.convergence import ConvergenceError

FLAGS = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow"]


@pytest.fixture(scope="module", autouse=True)
def library():
    try:
        return piqp.find()
    except piqp.MissingPIQP as error:
        pytest.skip(str(error))


def line():
    """Residuals of a straight line a + b t through measured values."""
    return NumericalFunction(lambda p, t, y: p[0] + p[1] * t - y, {"p": 2, "t": 5, "y": 5}, ["r"], name="line")


def rosenbrock():
    def residuals(x, a):
        return torch.stack([a - x[0], 10 * (x[1] - x[0] ** 2)])

    return NumericalFunction(residuals, {"x": 2, "a": ()}, ["r"], name="rosenbrock")


@pytest.fixture(scope="module")
def fitted_line():
    return SQP(line(), "p")


def test_a_line_is_that_of_the_normal_equations(fitted_line):
    random = np.random.default_rng(0)
    t, y = random.uniform(0, 3, (2, 7, 5))
    found = fitted_line(np.zeros(2), t, y)
    for p, tk, yk in zip(found, t, y, strict=True):
        np.testing.assert_allclose(p, np.linalg.lstsq(np.stack([np.ones(5), tk], -1), yk, rcond=None)[0], rtol=1e-7)


def test_torch_in_torch_out_and_batches_broadcast(fitted_line):
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    found = fitted_line(torch.zeros(2, dtype=torch.float64), t, torch.stack([2 + t, 1 - 3 * t])[:, None])
    assert found.shape == (2, 1, 2)
    torch.testing.assert_close(found[:, 0], torch.tensor([[2.0, 1], [1, -3]], dtype=torch.float64))


def test_batches_of_any_shape(fitted_line):
    t = np.linspace(0, 1, 5)
    assert fitted_line(np.zeros((0, 2)), t, t).shape == (0, 2)
    found = fitted_line([0, 0], t, np.broadcast_to(2 * t, (2, 3, 5))[:, ::-1])
    np.testing.assert_allclose(found, np.broadcast_to([0, 2], (2, 3, 2)), atol=1e-9)
    with pytest.raises(ValueError, match="do not broadcast"):
        fitted_line(np.zeros((2, 2)), t, np.zeros((3, 5)))


def test_calls_know_nothing_of_one_another():
    """To the last bit, whatever was solved before."""
    solver, a = disc(), np.random.default_rng(5).uniform(-3, 3, (6, 2))
    first = solver(np.array([0.1, 0.1]), a)
    np.testing.assert_array_equal(solver(np.array([0.1, 0.1]), a[::-1])[::-1], first)
    np.testing.assert_array_equal(solver(np.array([0.1, 0.1]), a[3]), first[3])


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_bounds_hold_and_multipliers_have_their_signs(seed):
    random = np.random.default_rng(seed)
    t, y = random.uniform(0, 3, (2, 5))
    p = bounded_line()(np.array([0.3, 0.3]), t, y)
    A = np.stack([np.ones(5), t], -1)
    gradient = A.T @ (A @ p - y)
    assert (p >= 0).all() and (p <= 0.7).all()
    low, high = p < 1e-7, p > 0.7 - 1e-7
    assert (np.abs(gradient[~low & ~high]) < 1e-5).all()
    assert (gradient[low] > -1e-5).all() and (gradient[high] < 1e-5).all()


BOUNDED: list[SQP] = []


def bounded_line() -> SQP:
    if not BOUNDED:
        BOUNDED.append(SQP(line(), "p", lower=0.0, upper=0.7, name="bounded_line"))
    return BOUNDED[0]


def test_the_valley_of_rosenbrock_with_and_without_a_wall():
    starts = np.random.default_rng(1).uniform(-2, 2, (9, 2))
    np.testing.assert_allclose(SQP(rosenbrock(), "x")(starts, 1.0), np.ones((9, 2)), atol=1e-8)
    walled = SQP(rosenbrock(), "x", upper=[0.5, math.inf], name="walled")
    np.testing.assert_allclose(walled(starts, 1.0), np.tile([0.5, 0.25], (9, 1)), atol=1e-7)


def disc() -> SQP:
    """The nearest point to (a, b) in the unit disc."""
    objective = NumericalFunction(lambda x, a: ((x - a) ** 2).sum(), {"x": 2, "a": 2}, ["f"], name="distance")
    inside = NumericalFunction(lambda x: x @ x, {"x": 2}, ["square"], name="square")
    return SQP(objective=objective, unknown="x", constraints=inside, low=-math.inf, high=1.0, name="disc")


def test_a_constraint_with_curvature():
    a = np.array([[2.0, 1.0], [0.2, -0.1], [-3.0, 0.0]])
    found = disc()(np.array([0.1, 0.1]), a)
    expected = a / np.maximum(1, np.linalg.norm(a, axis=-1, keepdims=True))
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_an_objective_that_is_not_convex():
    """Problem 71 of Hock and Schittkowski, Test Examples for Nonlinear Programming Codes (1981)."""
    objective = NumericalFunction(
        lambda x: x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2], {"x": 4}, ["f"], name="objective"
    )
    limits = NumericalFunction(
        lambda x: torch.stack([x[0] * x[1] * x[2] * x[3], x @ x]), {"x": 4}, ["c"], name="limits"
    )
    solver = SQP(
        objective=objective, constraints=limits, lower=1, upper=5, low=[25, 40], high=[math.inf, 40], name="hs71"
    )
    found = solver(np.array([1.0, 5, 5, 1]))
    np.testing.assert_allclose(found, [1, 4.74299963, 3.82114998, 1.37940829], rtol=1e-7)


def test_several_unknowns_and_an_equation():
    """Two resistors in series: the least sum of squares with given current."""
    objective = NumericalFunction(lambda u, v, k: u**2 + k * v @ v, {"u": (), "v": 2, "k": ()}, ["f"], name="power")
    balance = NumericalFunction(lambda u, v: u + v.sum(), {"u": (), "v": 2}, ["c"], name="balance")
    solver = SQP(objective=objective, unknown=["u", "v"], constraints=balance, low=3.0, high=3.0)
    u, v = solver(0.0, np.zeros(2), np.array([1.0, 2.0]))
    np.testing.assert_allclose(u, [1, 1.5], atol=1e-9)
    np.testing.assert_allclose(v, [[1, 1], [0.75, 0.75]], atol=1e-9)


def test_it_finds_what_the_steps_of_calibration_find():
    """The same quadratic programs in Python."""
    pytest.importorskip("piqp")
    from neml2.calibration import FitParameter
    from neml2.calibration.constraints import parse
    from neml2.calibration.gauss_newton import GaussNewton
    from neml2.calibration.parameter import Coordinates

    parameters = [FitParameter(f"x{k}") for k in range(2)]
    coordinates = Coordinates(parameters, np.array([-1.2, 1.0]))

    def evaluate(x):
        r = np.stack([2 - x[:, 0], 10 * (x[:, 1] - x[:, 0] ** 2)], -1)
        J = np.stack([np.stack([[-1.0, 0.0], [-20 * a, 10.0]]) for a in x[:, 0]])
        return r, J, np.ones(len(x), bool)

    limits = parse("x0 + x1 <= 1", ["x0", "x1"])
    (outcome,) = GaussNewton(evaluate, coordinates, limits, 1e-12, 200).minimize(
        coordinates.of(np.array([[-1.2, 1.0]]))
    )
    total = NumericalFunction(lambda x: x.sum(), {"x": 2}, ["c"], name="total")
    ours = SQP(rosenbrock(), "x", constraints=total, low=-math.inf, high=1.0, name="half_plane")
    np.testing.assert_allclose(ours(np.array([-1.2, 1.0]), 2.0), coordinates.values(outcome.z), rtol=1e-5)


def test_points_that_find_no_minimum_are_named():
    solver = SQP(rosenbrock(), "x", max_its=2, name="hasty")
    with pytest.raises(ConvergenceError, match="all iterations used") as caught:
        solver(np.array([[1.0, 1.0], [-2.0, 2.0], [np.nan, 0]]), 1.0)
    assert [p.index for p in caught.value.points] == [1, 2]
    assert caught.value.points[1].reason == "not finite where it began"
    impossible = NumericalFunction(lambda x: x[0], {"x": 2}, ["c"], name="impossible")
    with pytest.raises(ConvergenceError, match="satisfies the constraints"):
        SQP(rosenbrock(), "x", upper=1.0, constraints=impossible, low=2.0, high=3.0, name="no_room")(np.zeros(2), 1.0)


def test_a_function_frees_its_workspace(fitted_line):
    solver = SQP(line(), "p")
    solver(np.zeros(2), np.arange(5.0), np.arange(5.0))
    handle = solver._handle
    assert handle._workspace
    del solver
    gc.collect()
    assert handle._workspace is None


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: SQP(), TypeError, "one of them"),
        (lambda: SQP(rosenbrock(), "y"), ValueError, "no input 'y'"),
        (lambda: SQP(rosenbrock(), "x", tolerance=0), ValueError, "positive"),
        (
            lambda: SQP(rosenbrock(), "x", lower=[1, 2, 3]).limits(),
            ValueError,
            "lower has 3 numbers; expected one, or 2",
        ),
        (lambda: SQP(rosenbrock(), "x", lower=2, upper=1).limits(), ValueError, "nothing between"),
        (lambda: SQP(objective=rosenbrock(), unknown="x").source(), ValueError, "2 components; expected one"),
        (lambda: SQP(rosenbrock(), "x").jacobian("x", "a"), NotImplementedError, "not available"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_without_the_library_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(piqp, "_prefixes", lambda: iter(()))
    with pytest.raises(ImportError, match=r"python -m neml2.native.piqp.*libeigen3-dev.*PIQP_DIR"):
        SQP(rosenbrock(), "x", name="nowhere")(np.zeros(2), 1.0)


# ---- C++ -------------------------------------------------------------------------------------------------------------

MAIN = """\
#include "found.hpp"
#include <cstdio>

int main()
{
  found::disc::Workspace w;
  for (int k = 0; k < 3; ++k)
  {
    found::Buffer<double, 2> x{{0.1, 0.1}}, a{{2.0 + k, 1.0}};
    const found::Result result = found::disc::evaluate(x, a, x, w);
    std::printf("%a %a %d %d\\n", x(0), x(1), static_cast<int>(result.status), result.iterations);
  }
  found::rosenbrock::Workspace none;
  found::Buffer<double, 2> r;
  found::rosenbrock::evaluate({{1, 2}}, {{1}}, r, none);
  std::printf("%g\\n", r(1));
}
"""


@pytest.mark.parametrize("sanitizers", [[], ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]])
def test_a_module_holds_the_whole_loop(tmp_path, library, sanitizers):
    solver = disc()
    generate_module("found", [solver, rosenbrock()], tmp_path)
    (tmp_path / "main.cpp").write_text(MAIN)
    command = ["g++", *FLAGS, *sanitizers, "main.cpp", "found.cpp", "-isystem", str(library.include), "-o", "main"]
    link = [str(library.library), f"-Wl,-rpath,{library.library.parent}"]
    done = subprocess.run([*command, *link], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[3] == "10"
    for k, text in enumerate(lines[:3]):
        *x, status, iterations = text.split()
        values, report = solver.with_report(np.array([0.1, 0.1]), np.array([2.0 + k, 1.0]))
        np.testing.assert_allclose([float.fromhex(v) for v in x], values, rtol=1e-9)
        assert (int(status), int(iterations)) == (0, report.iterations[0])


# ---- where the library comes from ------------------------------------------------------------------------------------


def test_the_library_is_found_where_it_was_installed(tmp_path, monkeypatch, library):
    for folder in ("lib/x86_64-linux-gnu", "include"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("PIQP_DIR", str(tmp_path))
    assert piqp.find().library == library.library, "a folder without a library is passed over"
    (tmp_path / "lib/x86_64-linux-gnu/libpiqpc.so").touch()
    (tmp_path / "include/piqp.h").touch()
    assert piqp.find() == piqp.Library(tmp_path / "include", tmp_path / "lib/x86_64-linux-gnu/libpiqpc.so")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-cmake", "-B"], "it fails: no-such-cmake: No such file or directory; install no-such-cmake"),
        (
            ["sh", "-c", "echo 'CMake Error: no Eigen3' >&2; exit 1"],
            "no Eigen3; install Eigen 3 .Debian: libeigen3-dev",
        ),
        (["sh", "-c", "exit 1"], "it fails: no message"),
    ],
)
def test_a_build_that_fails_says_what_is_missing(command, words):
    with pytest.raises(RuntimeError, match=words):
        piqp._run(command, "it fails")

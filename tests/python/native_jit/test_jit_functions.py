# SPDX-License-Identifier: MIT
"""Functions compiled when called: what they compute."""

from __future__ import annotations

import inspect

import jit_functions as cases
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neml2._neml2 import solver_option_refusal, solver_options

import input_texts
import neml2
from neml2.compiler.graph import interpret
from neml2.hit import load_string
from neml2.native import Newton, NumericalFunction, jit
from neml2.solvers.convergence import ConvergenceError


def near(a, b, tolerance=1e-13):
    scale = max(np.max(np.abs(b), initial=0.0), 1e-300)
    assert np.shape(a) == np.shape(b)
    assert np.max(np.abs(a - b), initial=0.0) <= tolerance * scale


@pytest.mark.parametrize("points", [1, 2, 7, 8, 37])
def test_elastic_stress_is_hookes_law(points):
    strain = cases.strains(points)
    near(cases.elastic()(strain), cases.LAME * strain[:, :3].sum(1)[:, None] * cases.TRACE + 2 * cases.G * strain)


def test_elastic_stiffness_is_the_constant_tensor():
    stiffness = cases.elastic().jacobian()(np.zeros(6))
    near(stiffness, cases.LAME * np.outer(cases.TRACE, cases.TRACE) + 2 * cases.G * np.eye(6))


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2))
def test_every_operation_agrees_with_torch(a, b, y):
    x = np.array([a, b])
    values, chosen = cases.all_operations()(x, y)
    wanted = cases.everything(torch.from_numpy(x), torch.tensor(y, dtype=torch.float64))
    np.testing.assert_allclose(values, wanted["values"].numpy(), rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(chosen, wanted["chosen"].numpy(), rtol=1e-14, atol=1e-300)


def test_what_is_not_finite_stays_so():
    values, _ = cases.all_operations()(np.array([[np.inf, 1.0], [np.nan, 1.0], [-0.0, 0.0]]), 1.0)
    assert np.isnan(values[0, 0]) and values[0, 3] == np.inf and np.isnan(values[1, :2]).tolist() == [True, False]
    assert values[2, 0] == 0 and np.signbit(values[2, 0])


def test_single_precision_is_computed_in_single_precision():
    x = np.random.default_rng(0).uniform(-2, 2, (19, 2)).astype(np.float32)
    values, chosen = cases.all_operations("float32")(x, np.float32(0.7))
    assert values.dtype == chosen.dtype == np.float32
    exact, _ = cases.all_operations()(x.astype(np.float64), float(np.float32(0.7)))
    np.testing.assert_allclose(values, exact, rtol=2e-5, atol=2e-6)


# ---- derivatives -----------------------------------------------------------------------------------------------------


def test_gradient_and_hessian_are_those_of_autograd():
    x = np.random.default_rng(1).uniform(-2, 2, (11, 2))
    gradient = cases.banana().jacobian()
    hessian = gradient.jacobian()
    t = torch.from_numpy(x)
    near(gradient(x), torch.func.vmap(torch.func.grad(cases.rosenbrock))(t).numpy())
    near(hessian(x), torch.func.vmap(torch.func.hessian(cases.rosenbrock))(t).numpy())


def test_value_and_derivative_come_from_one_pass():
    both = cases.all_operations().jacobian("values", "x", value=True)
    assert list(both.outputs.items()) == [("values", (18,)), ("dvalues_dx", (18, 2))]
    x = torch.tensor([0.4, -0.7], dtype=torch.float64)
    values, block = both(x, torch.tensor(0.3, dtype=torch.float64))
    y = torch.tensor(0.3, dtype=torch.float64)
    near(values.numpy(), cases.everything(x, y)["values"].numpy())
    near(block.numpy(), torch.func.jacrev(lambda x: cases.everything(x, y)["values"])(x).numpy())


def test_jacobian_says_which_names_there_are():
    with pytest.raises(ValueError, match=r"which output is meant.*values, chosen"):
        cases.all_operations().jacobian()
    with pytest.raises(ValueError, match=r"no input 'z'.*x, y"):
        cases.all_operations().jacobian("values", "z")
    with pytest.raises(ValueError, match="no given 'u'"):
        cases.return_map().jacobian("u", "u")


# ---- Newton's method -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [1, 21])
def test_radial_return_is_the_closed_form(points):
    solver = cases.return_map()
    strain = cases.strains(points, 3e-3) * np.linspace(1, 0.05, points)[:, None]
    old = cases.DEVIATOR @ np.array([1e-4, 2e-4, -3e-4, 0, 1e-4, 0])
    u = solver(np.zeros(7), strain, old, 1e-3)
    tangent = solver.jacobian("u", "strain")(np.zeros(7), strain, old, 1e-3)
    yielding = 0
    for p in range(points):
        plastic, multiplier, consistent = cases.radial_return_solution(strain[p], old, 1e-3)
        yielding += multiplier > 0
        np.testing.assert_allclose(u[p], [*plastic, multiplier], rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(tangent[p, :6], consistent, rtol=1e-11, atol=1e-12)
    assert points == 1 or 0 < yielding < points


def test_elastic_points_do_not_flow():
    u, report = cases.return_map().with_report(np.zeros(7), cases.strains(5, 1e-5), np.zeros(6), 0.0)
    assert report.ok and not u.any()


def test_newton_finds_the_minimum_of_rosenbrock():
    start = np.array([[-1.2, 1.0], [0.0, 0.0], [2.0, -1.0]])
    x, report = cases.lowest().with_report(start)
    near(x, np.ones((3, 2)), 1e-12)
    assert report.ok and (report.iterations > 0).all() and (report.iterations < 10).all()


@pytest.mark.parametrize("search", ["BACKTRACKING", "STRONG_WOLFE"])
def test_line_search_converges_where_full_steps_diverge(search):
    near(cases.level(search)([3.0, -5.0, 0.1], [0.0, 0.0, 0.5]), np.array([0.0, 0.0, np.tan(0.5)]), 1e-14)
    with pytest.raises(ConvergenceError, match="2 of 3 points"):
        cases.level(None)([3.0, -5.0, 0.1], [0.0, 0.0, 0.5])


def test_root_and_its_derivative():
    residual = NumericalFunction(lambda u, a: u**3 - a, {"u": (), "a": ()}, "r", name="cube")
    root = Newton(residual, abs_tol=1e-14, rel_tol=0.0)
    a = np.linspace(0.5, 4, 13)
    near(root(1.0, a), np.cbrt(a))
    near(root.jacobian()(1.0, a), np.cbrt(a) ** -2 / 3, 1e-11)


def test_points_that_do_not_converge_are_named():
    residual = NumericalFunction(lambda u, a: u * u - a, {"u": (), "a": ()}, "r", name="square")
    root = Newton(residual, name="root", max_its=12)
    with pytest.raises(ConvergenceError, match=r"root: 2 of 4 points did not converge: point 1 .*point 3") as caught:
        root(1.0, [1.0, -1.0, 4.0, -2.0])
    assert [p.index for p in caught.value.points] == [1, 3]
    u, report = root.with_report(1.0, [1.0, -1.0, 4.0, -2.0])
    assert report.status.astype(bool).tolist() == [False, True, False, True]
    near(u[::2], np.array([1.0, 2.0]))
    with pytest.raises(ConvergenceError, match="singular Jacobian"):
        root(0.0, 1.0)


def test_a_point_that_is_given_nan_fails():
    """Where the residual drops it, and where the residual does not read it."""
    root = cases.deaf()
    for place in (1, 2):
        values = [np.full(4, 2.0), np.full(4, 0.5), np.full(4, 3.0)]
        for k, value in enumerate((np.nan, np.inf, -np.inf)):
            values[place][k] = value
        u, report = root.with_report(*values)
        assert report.status.tolist() == [2, 2, 2, 0] and not report.iterations[:3].any()
        assert np.isnan(report.residual[:3]).all() and u[3] == 0.5
        state = dict(enumerate(np.array(values)))
        solution = interpret.run(root.program, root.program.forward, state)[2][0]
        assert solution.converged.tolist() == [False, False, False, True]
        assert solution.iterations.tolist() == report.iterations.tolist()


def test_several_unknowns():
    residual = NumericalFunction(
        lambda x, y, a: (x + y - a, x * y - 1), {"x": (), "y": (), "a": ()}, ["sum", "product"], name="pair"
    )
    x, y = Newton(residual, ["x", "y"])(3.0, 0.1, [4.0, 5.0])
    near(x + y, np.array([4.0, 5.0]))
    near(x * y, np.ones(2), 1e-12)


def test_residuals_that_cannot_be_solved_are_refused():
    residual = NumericalFunction(lambda u, a: u * u - a, {"u": (2,), "a": (2,)}, "r", name="square")
    short = NumericalFunction(lambda u: u[:1], {"u": (2,)}, "r", name="short")
    with pytest.raises(TypeError, match="expected a NumericalFunction"):
        Newton(lambda u: u)
    with pytest.raises(ValueError, match=r"no input 'v'.*there are u, a"):
        Newton(residual, "v")
    with pytest.raises(ValueError, match="has 1 components; the unknowns u have 2"):
        Newton(short).compile()
    with pytest.raises(ValueError, match="explicit function"):
        Newton(Newton(residual), "a").compile()
    with pytest.raises(NotImplementedError, match="second derivatives"):
        Newton(residual).jacobian("u", "a").jacobian(wrt="a").compile()
    with pytest.raises(ValueError, match="'X'"):
        Newton(residual, linesearch_type="X")


def own_options():
    """Options that input files have too, with their initial values."""
    parameters = inspect.signature(Newton).parameters
    return {name: parameters[name].default for name, _ in solver_options("NewtonWithLineSearch") if name in parameters}


def test_options_start_as_in_input_files():
    initial = {**dict(solver_options("NewtonWithLineSearch")), "linesearch_type": None}
    own = own_options()
    assert own == {name: initial[name] for name in own}
    assert set(initial) - set(own) == {"substep_del_tol", "check_negative_criterion"}  # nothing is cut here


@pytest.mark.parametrize("option", [name for name in own_options() if name != "linesearch_type"])
def test_options_take_what_input_files_take(option):
    residual = NumericalFunction(lambda u, a: u * u - a, {"u": (), "a": ()}, "r", name="square")
    values = (-1, 0, 0.5, 1, 1.5, 3, 2**31 - 1, 2**31, 2**32 + 1, np.nan, np.inf, "3")
    for value in values:
        expected = solver_option_refusal("NewtonWithLineSearch", option, value)
        if expected is None:
            Newton(residual, **{option: value})
            continue
        with pytest.raises(ValueError, match=f"{option} is {value}; expected {expected}"):
            Newton(residual, **{option: value})
    assert any(solver_option_refusal("NewtonWithLineSearch", option, v) for v in values)


# ---- models ----------------------------------------------------------------------------------------------------------


def test_a_loaded_model_computes_what_it_computes_in_torch():
    model = load_string(input_texts.ELASTICITY).get_model("elasticity")
    native = jit(model)
    strain = torch.from_numpy(cases.strains(9))
    stress = native(strain)
    near(stress.numpy(), model(strain).data.detach().numpy(), 1e-15)
    E, nu = 200e3, 0.3
    uniaxial = native(np.array([1e-3, -nu * 1e-3, -nu * 1e-3, 0, 0, 0]))
    np.testing.assert_allclose(uniaxial, [E * 1e-3, 0, 0, 0, 0, 0], atol=1e-10)


def test_an_implicit_model_is_solved_inside():
    decay = jit(load_string(input_texts.decay()).get_model("update"))
    old, dt = np.linspace(-2, 3, 11), 0.25
    arguments = {"x~1": old, "t": 1.0 + dt, "t~1": 1.0}
    near(decay(**arguments), old / (1 + 2 * dt))
    near(decay.jacobian("x", "x~1")(**arguments), np.full(11, 1 / (1 + 2 * dt)))
    near(decay.jacobian("x", "t")(**arguments), -2 * old / (1 + 2 * dt) ** 2)


def test_types_as_shapes():
    from neml2.types import SR2, Scalar, tr

    function = NumericalFunction(lambda a, b: tr(a) * b, {"a": SR2, "b": Scalar}, "traced", name="traced")
    near(function([1, 2, 3, 4, 5, 6], [1.0, 2.0]), np.array([6.0, 12.0]))


def test_only_models_are_taken():
    with pytest.raises(TypeError, match="expected a loaded model, not function"):
        neml2.native.jit(lambda x: x)

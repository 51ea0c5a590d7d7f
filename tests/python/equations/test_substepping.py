# SPDX-License-Identifier: MIT
"""Steps that are cut where Newton's method fails: the result is that of smaller steps, only where needed."""

import pytest
import torch
from implicit_inputs import PERZYNA, load

from neml2.solvers import ConvergenceError
from neml2.types import SR2, Scalar

F64 = torch.float64
FEW = ("Solvers/newton/max_its:=9", "Solvers/newton/abs_tol=1e-12")
MANY = ("Solvers/newton/max_its:=60", "Solvers/newton/abs_tol=1e-12")


def update(*overrides):
    return load(PERZYNA, *overrides).get_model("update")


def state(strain, strain_old=None, dt=10.0):
    zero = torch.zeros(6, dtype=F64)
    return {
        "strain": SR2(strain),
        "t": Scalar(torch.tensor(dt, dtype=F64)),
        "t~1": Scalar(torch.tensor(0.0, dtype=F64)),
        "plastic_strain~1": SR2(zero),
        "equivalent_plastic_strain~1": Scalar(torch.tensor(0.0, dtype=F64)),
        **({} if strain_old is None else {"strain~1": SR2(strain_old)}),
    }


def strains():
    direction = torch.tensor([1.0, -0.5, -0.5, 0.0, 0.3, 0.0], dtype=F64)
    return torch.tensor([[1e-4], [5e-4], [3e-3], [2e-2]], dtype=F64) * direction


def walked_by_hand(parts, strain, dt=10.0):
    """The same step in equal parts, each its own solve."""
    model = update(*MANY)
    now = state(strain, dt=dt)
    for k in range(parts):
        now["strain"] = SR2(strain * ((k + 1) / parts))
        now["t~1"] = Scalar(torch.tensor(dt * k / parts, dtype=F64))
        now["t"] = Scalar(torch.tensor(dt * (k + 1) / parts, dtype=F64))
        values = model.evaluate(now)
        now["plastic_strain~1"] = values["plastic_strain"]
        now["equivalent_plastic_strain~1"] = values["equivalent_plastic_strain"]
    return values["plastic_strain"].data


SUBSTEPS = ("Models/update/max_substepping_level=4", "Models/update/incremental_variables='strain'")


def test_without_it_the_step_fails():
    with pytest.raises(ConvergenceError) as caught:
        update(*FEW).evaluate(state(strains()))
    assert 0 < len(caught.value.points) < 4


def test_failed_points_are_walked_and_others_are_not():
    model = update(*FEW, *SUBSTEPS)
    assert list(model.input_spec)[-1] == "strain~1"
    zero = torch.zeros(6, dtype=F64)
    with pytest.raises(ConvergenceError) as caught:
        update(*FEW).evaluate(state(strains()))
    failed = {point.index for point in caught.value.points}
    with torch.no_grad():
        values = model.evaluate(state(strains(), zero))["plastic_strain"].data
    for point, strain in enumerate(strains()):
        by_hand = {parts: walked_by_hand(parts, strain) for parts in (1, 2, 4, 8, 16)}
        matching = [
            parts for parts, other in by_hand.items() if torch.allclose(values[point], other, rtol=1e-7, atol=1e-11)
        ]
        assert matching, f"point {point} is no uniform walk"
        assert (min(matching) > 1) == (point in failed) or torch.allclose(by_hand[1], by_hand[2], rtol=1e-7)


def test_derivatives_follow_the_walk():
    model = update(*FEW, *SUBSTEPS)
    zero = torch.zeros(6, dtype=F64)
    strain = strains()

    def solve(x, old):
        return model.evaluate(state(x, old))["plastic_strain"].data

    inner = strain.clone().requires_grad_()
    before = zero.clone().requires_grad_()
    value = solve(inner, before)
    gradients = {c: torch.autograd.grad(value[:, c].sum(), (inner, before), retain_graph=True) for c in (0, 4)}
    h = 1e-8
    for j in range(6):
        step = torch.zeros(6, dtype=F64)
        step[j] = h
        with torch.no_grad():
            change = solve(strain + step, zero) - solve(strain - step, zero)
            change_old = solve(strain, zero + step) - solve(strain, zero - step)
        for component, (gradient, gradient_old) in gradients.items():
            slope = change[:, component] / (2 * h)
            torch.testing.assert_close(gradient[:, j], slope, rtol=1e-5, atol=1e-6)
            slope = change_old[:, component].sum() / (2 * h)
            torch.testing.assert_close(gradient_old[j], slope, rtol=1e-5, atol=1e-5)


def test_the_depth_is_limited():
    model = update("Solvers/newton/max_its:=2", "Models/update/max_substepping_level=1")
    with pytest.raises(ConvergenceError, match="did not converge"):
        model.evaluate(state(strains()))

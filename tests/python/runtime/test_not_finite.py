# SPDX-License-Identifier: MIT
"""One rule for values that are not finite: an implicit update that is given one fails, on every route."""

import math

import pytest
import torch
from implicit_cases import CASES, CUBIC_DECAY, CUT, F64, eager, inner, loaded
from laws import LAWS as ALL

from input_texts import decay
from neml2 import load_input
from neml2.aoti import ConvergenceError
from neml2.failures import FailedPoint
from neml2.hit import load_string
from neml2.solvers import FailedPoint as SolversPoint
from neml2.types import TensorWrapper

ROUTES = ("eager", "native", "aoti", "device")
LAWS = {**CASES, "cubic": (CUBIC_DECAY, ()), "cut": (CUT, ())}


@pytest.fixture
def model(compiled, monkeypatch):
    def load(law, route):
        text, flags = LAWS[law]
        if route == "eager":
            return eager(text)
        if route == "device" and law == "cut":
            pytest.skip("steps are not cut there")
        stub = compiled(text, "model", *flags, *(("--backend", "native") if route == "native" else ()))
        monkeypatch.setenv("NEML2_ENGINE", "device" if route == "device" else "cpu")
        return inner(stub)

    return load


def call(model, inputs):
    if not hasattr(model, "evaluate"):
        return model.forward(inputs)
    values = {
        n: value if isinstance(value, TensorWrapper) else model.input_spec[n](value) for n, value in inputs.items()
    }
    return model.evaluate(values)


def failing(model, inputs):
    with pytest.raises(ConvergenceError) as caught:
        call(model, inputs)
    for point in caught.value.points:
        assert type(point) is FailedPoint is SolversPoint
        assert (point.index, point.iterations, point.residual) == tuple(point)
    return caught.value


def start(law, points=20):
    """Inputs at which every law converges."""
    if law == "cubic":
        values = {"x~1": 1.0, "t": 1.0, "t~1": 0.0, "y": 1.0}
        return {name: torch.full((points,), value, dtype=F64) for name, value in values.items()}
    return loaded(eager(LAWS[law][0]), points, at=1, amplitude=2e-3)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_any_input_of_an_update(model, law, route, value):
    """radret's flow rate is zero below yield: it drops a NaN that the stress would show."""
    made, inputs = model(law, route), start(law)
    call(made, inputs)
    for name in inputs:
        if name == "y" or (name == "t~2" and value == math.inf):  # explicit, or a rate of zero for the first guess
            continue
        bad = {**inputs, name: inputs[name].clone()}
        bad[name][[2, 17]] = value
        error = failing(made, bad)
        assert [(p.index, p.iterations, p.reason) for p in error.points] == [
            (2, 0, "residual not finite"), (17, 0, "residual not finite")]  # fmt: skip
        assert "not finite" in str(error) and "2 of 20" in str(error)
        if route != "eager" or name.endswith("~2"):  # which knows what the update itself, or its guess, is given
            named = f"'{name}'" if route == "eager" else f"input '{name}'"
            assert f"point 2 after 0 iterations (residual not finite: {named} is not finite)" in str(error)


@pytest.mark.parametrize("name", ALL)
def test_any_input_of_any_law(compiled, name):
    law = ALL[name]
    made, native = law.eager(), load_input(law.stub(compiled)).get_model(law.model)
    spec = list(made.input_spec)
    for given in spec:
        if (name, given) == ("cubic", "y"):  # explicit
            continue
        state = law.state(made.input_spec, 3, spec, [])
        state[given].data[1] = math.nan
        assert "not finite" in str(failing(made, state))
        error = failing(native, state)
        assert [p.index for p in error.points] == [1] and f"input '{given}' is not finite" in str(error)


@pytest.mark.parametrize("route", ROUTES)
def test_what_a_guess_does_not_read_does_not_matter(model, route):
    """A cold start, in which the step before the last had no length: gamma~2 may be anything."""
    made, inputs = model("radret", route), start("radret")
    inputs["t~2"] = inputs["t~1"].clone()
    expected = call(made, inputs)
    found = call(made, {**inputs, "gamma~2": torch.full_like(inputs["gamma~2"], math.nan)})
    for out, value in expected.items():
        assert torch.equal(getattr(found[out], "data", found[out]), getattr(value, "data", value))


@pytest.mark.parametrize("route", ROUTES)
def test_explicit_models_hand_them_on(model, route):
    made, inputs = model("cubic", route), start("cubic")
    inputs["y"][3] = math.nan
    z = call(made, inputs)["z"]
    assert torch.equal(getattr(z, "data", z).isnan().nonzero(), torch.tensor([[3]]))


@pytest.mark.parametrize("route", ROUTES)
def test_eager_names_what_the_update_is_given(model, route):
    made, inputs = model("isoharden", route), start("isoharden")
    inputs["strain"][4] = math.nan
    assert "'strain' is not finite" in str(failing(made, inputs))


@pytest.mark.parametrize("route", ROUTES)
def test_a_time_step_of_zero_is_named(model, route):
    """Where everything else is as it was a step ago, too: strain and plastic strain are equal, but not to blame."""
    made, inputs = model("isoharden", route), start("isoharden")
    inputs["t"][3] = inputs["t~1"][3]
    inputs["strain"][3] = inputs["strain~1"][3]
    error = failing(made, inputs)
    assert [p.index for p in error.points] == [3]
    assert "point 3 after 0 iterations (residual not finite: 't' and 't~1' are equal)" in str(error)


@pytest.mark.parametrize("route", ROUTES)
def test_reasons(model, route):
    made, inputs = model("isoharden", route), start("isoharden", 4)
    inputs["strain"][1] *= 1e4
    inputs["strain"][2] = math.nan
    reasons = {p.index: p.reason for p in failing(made, inputs).points}
    assert reasons.pop(2) == "residual not finite"
    assert set(reasons.values()) <= {"all iterations used", "singular Jacobian", "residual not finite"}


@pytest.mark.parametrize("route", ROUTES)
def test_a_singular_jacobian(compiled, monkeypatch, route):
    """x + 1 - x = 0 has no solution, and a Jacobian of zero: 1 - dt f with f = 1, dt = 1."""
    text = decay(1)
    if route == "eager":
        made = load_string(text).get_model("update")
    else:
        stub = compiled(text, "update", *(("--backend", "native") if route == "native" else ()))
        monkeypatch.setenv("NEML2_ENGINE", "device" if route == "device" else "cpu")
        made = load_input(stub).get_model("update")._inner
    values = {"x~1": 1.0, "t": 1.0, "t~1": 0.0}
    error = failing(made, {name: torch.full((3,), value, dtype=F64) for name, value in values.items()})
    assert [(p.index, p.iterations, p.reason) for p in error.points] == [(k, 0, "singular Jacobian") for k in range(3)]


@pytest.mark.parametrize("batch", [(2, 3), (6,)])
def test_points_of_several_axes_and_parameters(isoharden_stub, batch):
    model = inner(isoharden_stub)
    inputs = {n: v.reshape(*batch, *v.shape[1:]) for n, v in start("isoharden", 6).items()}
    parameter = next(iter(model.named_parameters()))
    value = model.named_parameters()[parameter].expand(batch).clone()
    value.view(-1)[4] = math.nan
    model.set_parameter(parameter, value)
    error = failing(model, inputs)
    assert [p.index for p in error.points] == [4]
    assert f"parameter '{parameter}' is not finite" in str(error)

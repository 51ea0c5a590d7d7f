# SPDX-License-Identifier: MIT
"""Compiled models that cut a step where Newton's method fails: values and tangents of the walk, only where needed."""

import pytest
import torch
from implicit_cases import CUT, F64, central_difference, eager, evaluate, inner

from neml2.aoti import ConvergenceError
from support import run_tool

WHOLE = ("Models/update/max_substepping_level:=0", "Models/update/incremental_variables:=''")
POINTS = 21


YIELD = "update.residual.normality.flow.yield_surface.sy"


@pytest.fixture(scope="module")
def model(compiled):
    return inner(compiled(CUT, "model", "-d", ":", "-p", YIELD))


@pytest.fixture(scope="module", params=["aoti", "native"])
def valued(compiled, request):
    """Without derivatives, which `native` has none of here."""
    if request.param == "aoti":
        return request.getfixturevalue("model")
    return inner(compiled(CUT, "model", "-p", YIELD, "--backend", "native"))


def step():
    generator = torch.Generator().manual_seed(0)
    size = torch.logspace(-4.5, -2.2, 7, dtype=F64).repeat(3)[:, None]
    direction = torch.randn(7, 6, generator=generator, dtype=F64).repeat(3, 1)
    return {
        "strain": direction * size,
        "strain~1": 0.01 * size * torch.randn(POINTS, 6, generator=generator, dtype=F64),
        "plastic_strain~1": 1e-6 * torch.randn(POINTS, 6, generator=generator, dtype=F64),
        "t": torch.full((POINTS,), 10.0, dtype=F64),
        "t~1": torch.zeros(POINTS, dtype=F64),
    }


def failing(inputs):
    """Points that cannot take the step as a whole."""
    whole = eager(CUT, *WHOLE)
    with pytest.raises(ConvergenceError) as caught:
        evaluate(whole, {name: value for name, value in inputs.items() if name in whole.input_spec})
    return [point[0] for point in caught.value.points]


def test_old_values_of_incremental_variables_are_inputs(model):
    assert set(model.input_names) == {"strain", "strain~1", "plastic_strain~1", "t", "t~1"}


def test_only_points_that_fail_are_cut(valued):
    inputs = step()
    failed = failing(inputs)
    assert 0 < len(failed) < POINTS
    whole = eager(CUT, *WHOLE)
    good = [p for p in range(POINTS) if p not in failed]
    expected = evaluate(whole, {n: inputs[n][good] for n in whole.input_spec})
    values = valued.forward(inputs)
    for name, value in expected.items():
        torch.testing.assert_close(values[name][good], value, rtol=1e-10, atol=1e-14)
    # a point that was cut has been walked: its end differs from that of one large step
    patient = eager(CUT, *WHOLE, "Solvers/newton/max_its:=80")
    other = evaluate(patient, {n: inputs[n][failed] for n in whole.input_spec})["stress"]
    assert ((values["stress"][failed] - other).abs().amax(-1) > 1e-6 * other.abs().amax(-1)).all()


def test_values_of_eager(valued):
    inputs = step()
    for name, value in evaluate(eager(CUT), inputs).items():
        torch.testing.assert_close(valued.forward(inputs)[name], value, rtol=1e-10, atol=1e-14)


def test_a_parameter_that_every_point_has_its_own_value_of(valued):
    """Compiled and eager, where some points take part in a solve and others do not, against points on their own."""
    inputs, stress = step(), torch.linspace(48, 52, POINTS).double()
    before = valued.named_parameters()[YIELD].clone()
    valued.set_parameter(YIELD, stress)
    compiled = valued.forward(inputs)
    valued.set_parameter(YIELD, before)
    own = "[Tensors]\n[own]\ntype = Python\nexpr = 'Scalar(torch.linspace(48, 52, 21).double())'\n[]\n[]\n"
    both = evaluate(eager(CUT + own, "Models/yield_surface/yield_stress:=own"), inputs)
    for point, value in enumerate(stress.tolist()):
        alone = eager(CUT, f"Models/yield_surface/yield_stress:={value}")
        for name, expected in evaluate(alone, {n: v[point] for n, v in inputs.items()}).items():
            torch.testing.assert_close(both[name][point], expected, rtol=1e-10, atol=1e-14)
            torch.testing.assert_close(compiled[name][point], expected, rtol=1e-10, atol=1e-14)


def test_points_do_not_depend_on_their_company(model):
    inputs = step()
    values, blocks = model.jacobian(inputs)
    for point in range(POINTS):
        alone, block = model.jacobian({n: v[point : point + 1] for n, v in inputs.items()})
        for name in values:
            assert torch.equal(values[name][point], alone[name][0])
            for given in blocks[name]:
                assert torch.equal(blocks[name][given][point], block[name][given][0]), (name, given, point)


def test_tangents_are_those_of_the_walk(model):
    inputs = step()
    values, blocks = model.jacobian(inputs)
    assert torch.equal(values["stress"], model.forward(inputs)["stress"])
    other = eager(CUT)
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    typed = other.evaluate({name: other.input_spec[name](value) for name, value in leaves.items()})
    for out, given in model.derivative_pairs:
        ours = blocks[out][given].reshape(POINTS, 6, -1)
        for i in range(6):
            (slope,) = torch.autograd.grad(typed[out].data[:, i].sum(), leaves[given], retain_graph=True)
            error = (ours[:, i] - slope.reshape(POINTS, -1)).abs().max().item()
            assert error < 1e-9 * ours.abs().max().item(), (out, given)


def test_tangents_by_finite_differences(model):
    inputs = step()
    _, blocks = model.jacobian(inputs)
    for given, h in (("strain", 1e-8), ("strain~1", 1e-8), ("plastic_strain~1", 1e-8), ("t", 1e-3), ("t~1", 1e-3)):
        ours = blocks["stress"][given].reshape(POINTS, 6, -1)
        for component in range(ours.shape[2]):
            slope = central_difference(
                lambda value, given=given: model.forward({**inputs, given: value})["stress"],
                inputs[given],
                component,
                h,
            )
            error = (ours[:, :, component] - slope).abs().max().item()
            assert error < 1e-5 * max(ours.abs().max().item(), 1.0), (given, component)


def test_jvp_of_the_walk(model):
    inputs = step()
    _, blocks = model.jacobian(inputs)
    tangents = {"strain": torch.ones(POINTS, 6, dtype=F64), "t": torch.ones(POINTS, dtype=F64)}
    _, products = model.jvp(inputs, tangents)
    expected = blocks["stress"]["strain"].sum(-1) + blocks["stress"]["t"]
    torch.testing.assert_close(products["stress"], expected, rtol=1e-9, atol=1e-6)


def test_the_depth_is_limited(model):
    inputs = step()
    inputs["strain"][4] = torch.nan
    for call in (model.forward, model.jacobian):
        with pytest.raises(ConvergenceError) as caught:
            call(inputs)
        assert [point[0] for point in caught.value.points] == [4]


def test_tangents_of_steps_that_are_cut_are_refused_where_there_are_none(tmp_path):
    (tmp_path / "input.i").write_text(CUT)
    done = run_tool("compile", "input.i", "--model", "model", "--backend", "native", "-d", ":", cwd=tmp_path)
    assert done.returncode and "max_substepping_level" in done.stderr and "--backend aoti" in done.stderr

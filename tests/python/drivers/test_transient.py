# SPDX-License-Identifier: MIT
"""Runs over a history: the physics, the rules for histories and shapes, saving, failing."""

import pytest
import torch
from driver_inputs import DECAY

from neml2.drivers import TransientDriver
from neml2.errors import InvalidOption, TensorError
from neml2.hit import load_input, load_string
from neml2.solvers import ConvergenceError
from neml2.types import Scalar

F64 = torch.float64


@pytest.fixture(params=[True, False], ids=["eager", "compiled"])
def eager(request):
    """The two routes of an implicit model."""
    return request.param


def driver(name="driver", *overrides):
    return load_string(DECAY, additional_args=overrides).get_driver(name)


def test_backward_euler_of_linear_decay(eager):
    result = driver().run(eager=eager)
    start = torch.tensor([1.0, 2.0, 4.0], dtype=F64)
    assert torch.equal(result["output.0.x"], start)
    for step in range(1, 21):
        torch.testing.assert_close(result[f"output.{step}.x"], start / 1.2**step, rtol=1e-11, atol=0.0)


def test_keys_come_inputs_first(eager):
    keys = list(driver().run(eager=eager))
    kinds = [key.split(".")[0] for key in keys]
    assert kinds == sorted(kinds)  # input before output
    assert [key for key in keys if key.startswith("input.0.")] == ["input.0.t"]
    assert {key for key in keys if key.startswith("input.2.")} == {"input.2.t", "input.2.x~1", "input.2.t~1"}


def test_histories_of_prescribed_variables():
    """f~2 is not known at the first step, where it is zero and not recorded; g is never known."""
    result = driver("histories").run()
    f = torch.linspace(0, 1, 21, dtype=F64)
    assert "input.1.f~2" not in result and "input.1.f~1" in result and "input.2.f~2" in result
    assert not any(key.endswith(".g") for key in result)
    assert not any(key.startswith("output.0.") for key in result)
    for step in range(1, 21):
        older = f[step - 2] if step > 1 else 0.0
        expected = f[step] + 10 * f[step - 1] + 100 * older
        torch.testing.assert_close(result[f"output.{step}.y"], expected.expand(3))


def test_an_initial_condition_with_a_lag_seeds_the_next_one():
    ic = ("Drivers/histories/ic_Scalar_names='f~1 g'", "Drivers/histories/ic_Scalar_values='7 5'")
    result = driver("histories", *ic).run()
    assert result["input.0.f~1"].item() == 7 and result["input.1.f~2"].item() == 7
    assert result["input.0.g"].item() == 5
    assert result["output.1.y"][0].item() == pytest.approx(0.05 + 10 * 0.0 + 700)  # g is zero after step 0


def test_shapes_stay_small_while_nothing_happens(eager):
    at_rest = ("Drivers/driver/ic_Scalar_values:='0'", "Tensors/times/expr:='Scalar(forces.data)'")
    result = driver("driver", *at_rest).run(eager=eager)
    assert result["input.1.t"].shape == (3,)
    assert all(result[f"output.{step}.x"].shape == () for step in range(21))


def test_gradients_with_respect_to_parameters():
    run = driver()
    result = run.run(differentiable=True)
    result["output.20.x"].sum().backward()
    weight = dict(run.model.named_parameters())["decay.rate.weight_0"]
    assert weight.grad.item() == pytest.approx(7.0 * 20 * 0.1 * 1.2**-21, rel=1e-10)
    assert not driver().run()["output.20.x"].requires_grad


def test_progress_is_told():
    seen = []
    driver().run(lambda done, total: seen.append((done, total)))
    assert seen == [(k, 20) for k in range(21)]


def test_saved_beside_the_input_file(tmp_path):
    path = tmp_path / "input.i"
    path.write_text(DECAY)
    run = load_input(path, additional_args=["Drivers/driver/save_as=out/result.pt"]).get_driver("driver")
    result = run.run()
    saved = torch.load(tmp_path / "out" / "result.pt", weights_only=True)
    assert list(saved) == list(result)
    assert all(torch.equal(saved[key], result[key]) for key in saved)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["result.pt"]


# x' = k x with k = 10 at step 12, where 1 - dt k = 0; at a single point that `points` names
FAILING = DECAY.replace("weights = '-2'", "weights = 'k'").replace(
    "    ic_Scalar_names = 'x'",
    "    prescribed_Scalar_names = 'k'\n    prescribed_Scalar_values = 'forces'\n    ic_Scalar_names = 'x'",
    1,
)
FAILING_STEP = "Tensors/forces/expr:='Scalar(torch.tensor([[-2.0]] * 12 + [[{}]] * 9, dtype=torch.float64))'"


@pytest.mark.filterwarnings("ignore::neml2.errors.SuspiciousReference")
def test_a_failing_step_is_named_and_nothing_is_lost(tmp_path, eager):
    path = tmp_path / "input.i"
    path.write_text(FAILING)
    extra = ["Drivers/driver/save_as=result.pt", FAILING_STEP.format(10)]
    run = load_input(path, additional_args=extra).get_driver("driver")
    with pytest.raises(
        ConvergenceError, match=r"driver 'driver', step 12 of 20 .*up to step 11 is in .*result.pt"
    ) as caught:
        run.run(eager=eager)
    assert [point.index for point in caught.value.points] == [0, 1, 2]
    saved = torch.load(tmp_path / "result.pt", weights_only=True)
    assert "output.11.x" in saved and "output.12.x" not in saved and "input.12.t" not in saved
    assert "step 12" in saved["note"]


@pytest.mark.filterwarnings("ignore::neml2.errors.SuspiciousReference")
def test_what_is_not_finite_is_named_with_its_step(eager):
    run = load_string(FAILING, additional_args=[FAILING_STEP.format("math.inf")]).get_driver("driver")
    with pytest.raises(ConvergenceError, match=r"step 12 of 20 .* not finite: 'k'"):
        run.run(eager=eager)


def test_time_of_the_failing_point(eager):
    extra = ("Tensors/times/expr:='Scalar(forces.data * torch.tensor([1.0, 2.0, 3.0]))'", "Solvers/newton/max_its:=1")
    with pytest.raises(ConvergenceError, match=r"step 1 of 20 \(time 0.05 at point 0\)"):
        driver("driver", *extra).run(eager=eager)


def test_any_object_that_looks_like_a_model():
    class Doubler:
        input_spec = {"a": Scalar, "b~1": Scalar}
        output_spec = {"b": Scalar}

        def __call__(self, a, b):
            return (a.data + 2 * b.data,)  # raw, as a tuple

    time = torch.linspace(0, 1, 4, dtype=F64)
    run = TransientDriver(
        model=Doubler(), prescribed_time=time, prescribed_Scalar_names=["a"], prescribed_Scalar_values=[torch.ones(4)]
    )
    assert run.run()["output.3.b"].item() == 7.0


ODD = {
    "hole": "torch.tensor([0.0, 1, 2, 3, math.nan] + [5.0] * 16)",
    "back": "torch.tensor([[0.0, 0], [1, 1], [2, 3], [3, 1]])",
    "one": "torch.zeros(1)",
    "none": "torch.zeros(0)",
}
ODD_TIMES = "".join(
    f"[Tensors]\n[{name}]\ntype = Python\nexpr = 'Scalar({value})'\n[]\n[]\n" for name, value in ODD.items()
)


def test_times_may_stand_still(eager):
    """A step of no length changes nothing."""
    times = "Tensors/times/expr:='Scalar(torch.linspace(0, 2, 21, dtype=torch.float64).clamp(max=1.0))'"
    result = driver("driver", times).run(eager=eager)
    torch.testing.assert_close(result["output.20.x"], result["output.10.x"], rtol=1e-12, atol=0)


class TestChecks:
    @pytest.mark.parametrize(
        ("overrides", "error", "text"),
        [
            (["prescribed_Scalar_names='f'"], InvalidOption, "1 names, but 0 values"),
            (
                ["prescribed_Scalar_names='x'", "prescribed_Scalar_values='times'"],
                InvalidOption,
                "no input of the model",
            ),
            (["prescribed_SR2_names='t'", "prescribed_SR2_values='times'"], TensorError, "is a Scalar; expected SR2"),
            (["prescribed_Scalar_names='t'", "prescribed_Scalar_values='start'"], InvalidOption, "21 steps"),
            (["prescribed_Scalar_names='t'", "prescribed_Scalar_values='1.5'"], InvalidOption, "21 steps"),
            (["prescribed_Scalar_names='t'", "prescribed_Scalar_values='timez'"], TensorError, "did you mean 'times'"),
            (["ic_Scalar_names:='z'"], InvalidOption, "no input or output"),
            (["ic_Scalar_names:='x x'", "ic_Scalar_values:='1 2'"], InvalidOption, "twice"),
            (["prescribed_time:='2.0'"], InvalidOption, "no axis of steps"),
            (["prescribed_Scalar_names='t'", "prescribed_Scalar_values='hole'"], InvalidOption, "'t' is NaN at step 4"),
            (["prescribed_time:='hole'"], InvalidOption, "the time of step 4 is nan; times must be finite"),
            (["prescribed_time:='back'"], InvalidOption, "the time of step 3 goes back from 3 to 1 at point 1"),
            (["prescribed_time:='one'"], InvalidOption, "has 1 steps"),
            (["prescribed_time:='none'"], InvalidOption, "has 0 steps"),
            (["ic_Scalar_values:='hole'"], InvalidOption, "'x' is NaN at points 4 of 21"),
            (["prescribed_tme='times'"], InvalidOption, "did you mean 'prescribed_time'"),
        ],
    )
    def test_at_construction(self, overrides, error, text):
        with pytest.raises(error, match=text):
            lines = [f"Drivers/driver/{line}" for line in overrides]
            load_string(DECAY + ODD_TIMES, additional_args=lines).get_driver("driver")

    def test_declared_shapes(self):
        declared = "\n[Settings]\n  [example_batch_shape]\n    {}\n  []\n[]\n"
        with pytest.raises(InvalidOption, match="did you mean 'x_rate'"):
            load_string(DECAY + declared.format("x_rte = '(2; 3)'")).get_driver("driver")
        with pytest.raises(InvalidOption, match=r"sub-batch shape \(4,\), but its value has batch shape \(3,\)"):
            load_string(DECAY + declared.format("x = '(2; 4)'")).get_driver("driver")

    def test_a_declared_site_axis_is_solved_for(self, eager):
        declared = "\n[Settings]\n  [example_batch_shape]\n    x = '(2; 3)'\n  []\n[]\n"
        run = load_string(DECAY + declared).get_driver("driver")
        result = run.run(eager=eager)
        assert run.outputs[5]["x"].sub_batch_ndim == 1
        torch.testing.assert_close(result["output.5.x"], torch.tensor([1.0, 2.0, 4.0], dtype=F64) / 1.2**5)
        plain = load_string(DECAY + declared, additional_args=["Drivers/driver/ic_Scalar_values:='2'"])
        result = plain.get_driver("driver").run(eager=eager)
        assert result["output.5.x"].shape == (3,)
        assert result["output.0.x"].shape == result["input.1.x~1"].shape == (), "what was given is kept as it was"

# SPDX-License-Identifier: MIT
"""Implicit models are run compiled: the same results as in PyTorch, kept by what they are made from."""

import os
import subprocess
import sys

import pytest
import torch
from driver_inputs import DECAY

from input_texts import viscoplasticity_in_rates
from neml2.compiler import kept
from neml2.hit import load_string
from neml2.types import SR2
from support import ROOT, run_tool

HISTORY = """
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 1, 13, dtype=torch.float64))'
  []
  [strains]
    type = Python
    expr = '''
      way = torch.sin(torch.linspace(0, 4, 13, dtype=torch.float64)).reshape(13, 1, 1)
      axes = torch.tensor([[1, -0.5, -0.5, 0.3, 0, 0], [0, 0, 0, 0, 1, 0]], dtype=torch.float64)
      result = SR2(0.01 * way * axes)
    '''
  []
[]
[Drivers]
  [driver]
    type = TransientDriver
    model = 'update'
    prescribed_time = 'times'
    prescribed_SR2_names = 'strain'
    prescribed_SR2_values = 'strains'
  []
[]
"""
CYCLE = viscoplasticity_in_rates(50.0, 100.0, 2.0, 1000.0) + HISTORY


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEML2_CACHE_DIR", str(tmp_path / "cache"))


def driver(*overrides, text=CYCLE):
    return load_string(text, additional_args=overrides).get_driver("driver")


def assert_same(found, expected):
    """Every value, of the same shape and type, as far as Newton's tolerance goes."""
    assert list(found) == list(expected)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-8, atol=1e-10, msg=lambda text, key=key: f"{key}: {text}")


def test_results_are_those_of_pytorch():
    run = driver()
    found = run.run()
    assert run.route.startswith("compiled")
    expected = run.run(eager=True)
    assert run.route == ""
    assert_same(found, expected)
    trace = SR2(found["output.12.stress"]).data[:, :3].sum(-1)
    assert found["output.12.equivalent_plastic_strain"].min() > 1e-3
    assert trace.abs().max() < 1e-6, "the strain has no volume, and neither has plastic flow"


def test_single_precision():
    found = driver("Solvers/newton/rel_tol=1e-4", "Solvers/newton/abs_tol=1e-2").to(dtype=torch.float32)
    result = found.run()
    assert found.route.startswith("compiled") and result["output.12.stress"].dtype == torch.float32
    expected = driver().run()["output.12.stress"]
    torch.testing.assert_close(result["output.12.stress"].double(), expected, rtol=1e-3, atol=1e-2)


def test_one_kernel_serves_all_values_of_the_parameters(empty_cache):
    first = driver(text=DECAY)
    first.run()
    assert first.route == "compiled"
    other = driver("Models/rate/weights:='-4'", text=DECAY)
    result = other.run()
    assert other.route == "compiled, from the cache"
    start = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(result["output.20.x"], start / 1.4**20, rtol=1e-10, atol=0)
    with torch.no_grad():
        dict(other.model.named_parameters())["decay.rate.weight_0"].fill_(-6)
    torch.testing.assert_close(other.run()["output.20.x"], start / 1.6**20, rtol=1e-10, atol=0)


def test_what_is_kept_is_known_by_all_else():
    names = [
        kept.fingerprint(driver(*change).model)
        for change in (
            [],
            ["Models/rate/exponent:=3", "Models/yield_surface/yield_stress:=3"],
            ["Solvers/newton/max_its=7"],
            ["Models/update/max_substepping_level=2"],
        )
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3 and None not in names


def test_without_a_compiler_it_runs_all_the_same(empty_cache, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    run = driver(text=DECAY)
    assert_same(run.run(), run.run(eager=True))
    run.run()
    assert run.route.startswith("eager, because no C++ compiler: 'no-such-compiler'")


def test_a_kernel_that_would_take_minutes_is_not_waited_for(empty_cache, monkeypatch):
    monkeypatch.setattr(kept, "LONGEST", 10)
    run = driver(text=DECAY)
    assert_same(run.run(), driver(text=DECAY).run(eager=True))
    assert run.route.startswith("eager, because its kernel is 0.0 MB of C++")


def test_what_a_package_refuses_is_done_in_pytorch(monkeypatch):
    class Refusing:
        def __init__(self, model):
            self.model, self.left = model, 5

        def forward_natural(self, inputs):
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("no more of this")
            return self.model.forward_natural(inputs)

    load = kept.load

    def loaded(*arguments):
        found = load(*arguments)
        found.model = Refusing(found.model)
        return found

    monkeypatch.setattr(kept, "load", loaded)
    run = driver(text=DECAY)
    assert_same(run.run(), driver(text=DECAY).run(eager=True))
    assert run.route.endswith("; then eager, because no more of this")


BRANCHING = """
from neml2.models import Input, Model, Output, Parameter, register
from neml2.types import Scalar

@register("Branching{0}")
class Branching{0}(Model):
    x = Input(Scalar)
    rate = Output(Scalar)
    k = Parameter(Scalar)

    def forward(self, x, k):
        return -1.0 * k * x{1}
"""


@pytest.mark.parametrize(
    ("name", "rest", "route"),
    [("A", " if x.data.max() > 0.01 else 0.0 * x", "eager, because"), ("B", "", "compiled")],
)
def test_models_of_a_users_own(tmp_path, name, rest, route):
    """Compiled where they can be, and never taken for what they were under another text."""
    from neml2.hit import load_extension

    (tmp_path / f"own_{name}.py").write_text(BRANCHING.format(name, rest))
    load_extension(tmp_path / f"own_{name}.py")
    text = DECAY.replace(
        "type = ScalarLinearCombination\n    from = 'x'\n    to = 'x_rate'\n    weights = '-2'",
        f"type = Branching{name}\n    x = 'x'\n    rate = 'x_rate'\n    k = 2.0",
    )
    run = driver(text=text)
    assert kept.fingerprint(run.model) is None
    found = run.run()
    assert run.route.startswith(route)
    if name == "A":
        assert "own_A.py:12" in run.route and "torch.where" in run.route
    assert_same(found, run.run(eager=True))


def test_what_kernels_cannot_take_is_said():
    single = "[Tensors]\n[single]\ntype = Python\nexpr = 'Scalar(torch.ones(3))'\n[]\n[]\n"
    run = driver("Drivers/driver/ic_Scalar_values:='single'", text=DECAY + single)
    run.run()
    assert run.route.startswith("eager, because values are of type float32, float64")


def test_a_differentiated_run_is_compiled_and_has_the_eager_gradient():
    tight = ("Solvers/newton/abs_tol:=1e-14", "Solvers/newton/rel_tol:=1e-14")
    found = []
    for eager in (False, True):
        run = driver(*tight, text=DECAY)
        run.initial["x"].data.requires_grad_()
        result = run.run(differentiable=True, eager=eager)
        assert run.route.startswith("" if eager else "compiled")
        sum(result[f"output.{step}.x"].sum() * step for step in range(1, 21)).backward()
        parameters = dict(run.model.named_parameters())
        found.append((parameters["decay.rate.weight_0"].grad, run.initial["x"].data.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)
    assert not driver(text=DECAY).run()["output.20.x"].requires_grad


def test_the_command_says_how(tmp_path):
    (tmp_path / "input.i").write_text(DECAY)
    done = run_tool("run", "input.i", "driver", cwd=tmp_path)
    assert done.returncode == 0 and "\n  model: compiled" in done.stdout, done.stderr
    done = run_tool("run", "input.i", "driver", "--eager", cwd=tmp_path)
    assert done.returncode == 0 and "model:" not in done.stdout, done.stderr


def test_a_crystal_has_the_same_name_in_every_process():
    """Its buffers' names are in sets, whose order depends on a random seed."""
    script = (
        "from neml2.compiler import kept; from neml2.hit import load_model;"
        f"print(kept.fingerprint(load_model({str(ROOT / 'examples/crystals/tension.i')!r}, 'model')))"
    )
    found = {
        subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": str(seed)},
                       capture_output=True, text=True, check=True).stdout
        for seed in (1, 2, 3)
    }  # fmt: skip
    assert len(found) == 1 and found != {"None\n"}

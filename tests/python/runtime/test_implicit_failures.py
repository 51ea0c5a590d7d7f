# SPDX-License-Identifier: MIT
"""Material points at which nothing converges: they are named, the others and the model are unaffected."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from implicit_cases import F64, ISOHARDEN, YIELD, eager, inner, loaded

from neml2.aoti import ConvergenceError
from neml2.errors import InputError
from support import run_tool


@pytest.fixture(scope="module")
def model(isoharden_stub):
    return inner(isoharden_stub)


def put(inputs, points, **values):
    """A copy of the inputs, with other values in some points."""
    changed = {name: value.clone() for name, value in inputs.items()}
    for name, value in values.items():
        changed[name][points] = value
    return changed


BAD = {
    "nan": {"strain": math.nan},
    "infinite": {"strain": math.inf},
    "overflow": {"strain": torch.tensor([1e200, -1e200, 0, 0, 0, 0], dtype=F64)},
}


@pytest.mark.parametrize("call", ["forward", "jacobian"])
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("points", [[0], [3, 4, 39]])
def test_exactly_the_bad_points_are_named(model, kind, points, call):
    inputs = loaded(model, 40)
    bad = put(inputs, points, **BAD[kind])
    kept = {name: value.clone() for name, value in bad.items()}
    with pytest.raises(ConvergenceError) as caught:
        getattr(model, call)(bad)
    assert [point[0] for point in caught.value.points] == points
    assert caught.value.recoverable
    text = str(caught.value)
    assert f"{len(points)} of 40" in text
    for point in points:
        assert f"point {point}" in text
    for name, value in kept.items():
        assert torch.equal(bad[name].nan_to_num(7.0), value.nan_to_num(7.0)), "inputs are written to"

    # the others, and the model, are as if nothing had happened
    good = [p for p in range(40) if p not in points]
    expected = model.forward(inputs)
    alone = model.forward({name: value[good] for name, value in bad.items()})
    for name, value in expected.items():
        assert torch.equal(alone[name], value[good])


def test_many_failures_are_counted_and_the_first_few_shown(model):
    bad = put(loaded(model, 200), slice(10, 150), strain=math.nan)
    with pytest.raises(ConvergenceError) as caught:
        model.forward(bad)
    assert [point[0] for point in caught.value.points] == list(range(10, 150))
    assert "140 of 200" in str(caught.value)
    assert "point 10" in str(caught.value)
    assert "point 149" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_iterations_and_residuals_are_data(isoharden_stub):
    model = inner(isoharden_stub, "Solvers/newton/max_its=3")
    inputs = loaded(inner(isoharden_stub), 8, at=0)
    with pytest.raises(ConvergenceError) as caught:
        model.forward(inputs)
    with pytest.raises(ConvergenceError) as eager_caught:
        other = eager(ISOHARDEN, "Solvers/newton/max_its=3")
        other.evaluate({name: other.input_spec[name](value) for name, value in inputs.items()})
    assert [tuple(p)[:2] for p in caught.value.points] == [tuple(p)[:2] for p in eager_caught.value.points]
    for ours, theirs in zip(caught.value.points, eager_caught.value.points, strict=True):
        index, iterations, residual = ours
        assert 0 <= index < 8
        assert iterations == 2
        assert residual == pytest.approx(theirs[2], rel=1e-6)
        if index < 5:  # the first few
            assert f"{residual:.6g}" in str(caught.value)


def test_a_time_step_of_zero(model):
    """Without time there is no rate: the point has no solution that says anything, and the others go on."""
    inputs = loaded(model, 6)
    frozen = put(inputs, [2])
    frozen["t~1"][2] = frozen["t"][2]
    with pytest.raises(ConvergenceError) as caught:
        model.forward(frozen)
    assert [point[0] for point in caught.value.points] == [2]


def test_a_huge_strain_fails_or_is_solved_but_stays_alone(model):
    inputs = loaded(model, 20)
    expected = model.forward(inputs)
    huge = put(inputs, [7], strain=torch.tensor([50.0, -25, -25, 0, 0, 0], dtype=F64))
    try:
        values = model.forward(huge)
    except ConvergenceError as error:
        assert [point[0] for point in error.points] == [7]
        return
    others = [p for p in range(20) if p != 7]
    for name, value in expected.items():
        assert torch.isfinite(values[name]).all()
        assert torch.equal(values[name][others], value[others])


def test_at_the_yield_surface_and_without_yield_stress(isoharden_stub):
    """Points that sit at the yield surface, and a material that yields at once."""
    model, other = inner(isoharden_stub), eager(ISOHARDEN)
    inputs = {n: torch.zeros_like(v) for n, v in loaded(model, 3).items()}
    inputs["t"] = torch.ones(3, dtype=F64)
    G = 1e5 / 2.6
    shear = 5 / (math.sqrt(1.5) * 2 * G)  # the equivalent stress is then the yield stress
    inputs["strain"][:, 3] = torch.tensor([shear * (1 - 1e-12), shear, shear * (1 + 1e-12)], dtype=F64)
    typed = {name: other.input_spec[name](value) for name, value in inputs.items()}
    with torch.no_grad():
        expected = other.evaluate(typed)
    for name, value in model.forward(inputs).items():
        torch.testing.assert_close(value, expected[name].data, rtol=1e-9, atol=1e-9)
    model.set_parameter(YIELD, torch.zeros((), dtype=F64))
    soft = eager(ISOHARDEN, "Models/yield_surface/yield_stress:=0")
    inputs["strain"][:, 3] *= 10
    with torch.no_grad():
        expected = soft.evaluate({name: soft.input_spec[name](value) for name, value in inputs.items()})
    for name, value in model.forward(inputs).items():
        torch.testing.assert_close(value, expected[name].data, rtol=1e-8, atol=1e-9)


def test_cutting_the_step_after_a_failure(isoharden_stub):
    """A step that fails is taken in two halves, as a host would."""
    model = inner(isoharden_stub, "Solvers/newton/max_its=4")
    full = {"strain": torch.tensor([[0.02, -0.01, -0.01, 0, 0, 0]], dtype=F64), "t": torch.tensor([1e3], dtype=F64)}
    state = {n: torch.zeros(1, *shape, dtype=F64) for n, shape in model.input_base_shapes.items()}
    done, size, cuts = 0.0, 1.0, 0
    while done < 1.0:
        now = {n: v * (done + size) for n, v in full.items()}
        try:
            values = model.forward({**state, **now})
        except ConvergenceError as error:
            assert error.recoverable
            size, cuts = size / 2, cuts + 1
            assert cuts < 30
            continue
        done += size
        state.update({f"{n}~1": v for n, v in {**now, **values}.items()})
    assert cuts > 0
    assert values["equivalent_plastic_strain"].item() > 0.01


def test_solver_options_of_the_stub(isoharden_stub):
    with pytest.raises(ConvergenceError):
        inner(isoharden_stub, "Solvers/newton/max_its=2").forward(loaded(inner(isoharden_stub), 4, at=0))
    loose = inner(isoharden_stub, "Solvers/newton/rel_tol=0.5", "Solvers/newton/abs_tol=1e30")
    inputs = loaded(inner(isoharden_stub), 4, at=3)
    assert torch.equal(loose.forward(inputs)["stress"], inputs["stress~1"]), "the first guess was good enough"


@pytest.mark.parametrize(
    ("option", "words"),
    [("max_its=0", "max_its"), ("rel_tol=1e-8x", "rel_tol"), ("max_its=2O", "max_its"), ("abs_tol=small", "abs_tol")],
)
def test_senseless_solver_options_are_refused(isoharden_stub, option, words):
    with pytest.raises(InputError, match=words):
        inner(isoharden_stub, f"Solvers/newton/{option}")


@pytest.mark.parametrize(("level", "lines"), [(None, 0), ("newton=info", 1), ("newton=debug", 3)])
def test_logging(isoharden_stub, level, lines):
    code = (
        "import sys, torch; from implicit_cases import inner, loaded; from pathlib import Path\n"
        f"m = inner(Path({str(isoharden_stub)!r})); x = loaded(m, 3, at=0)\n"
        "print('BEGIN', file=sys.stderr, flush=True); m.forward(x)"
    )
    folder = Path(__file__).parent
    env = {k: v for k, v in os.environ.items() if k != "NEML2_LOGS"}
    env |= {
        "PYTHONPATH": os.pathsep.join([str(folder), str(folder.parent)]),
        **({"NEML2_LOGS": level} if level else {}),
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    logged = [line for line in done.stderr.split("BEGIN", 1)[1].splitlines() if "newton" in line]
    assert len(logged) == lines if lines < 2 else len(logged) >= lines
    if lines:
        assert "converged" in logged[-1]
        assert "0 failed" in logged[-1]


def test_numbers_with_typos_and_tensors_of_another_type(tmp_path):
    """A parameter that is no number would silently become an input; a tensor of another type another value."""
    text = ISOHARDEN.replace("yield_stress = 5", "yield_stress = 5O")
    (tmp_path / "typo.i").write_text(text)
    done = run_tool("compile", "typo.i", "--model", "model", cwd=tmp_path)
    assert done.returncode != 0 or "5O" in done.stderr
    tensors = """
[Tensors]
  [modulus]
    type = Python
    expr = 'SR2(torch.ones(6, dtype=torch.float64))'
  []
[]
"""
    (tmp_path / "type.i").write_text(
        tensors + ISOHARDEN.replace("hardening_modulus = 1000", "hardening_modulus = 'modulus'")
    )
    done = run_tool("compile", "type.i", "--model", "model", cwd=tmp_path)
    assert done.returncode != 0
    assert "SR2" in done.stderr
    assert "Scalar" in done.stderr

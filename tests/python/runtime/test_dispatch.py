# SPDX-License-Identifier: MIT
"""Schedulers from Python: a dispatched model says what the undispatched one says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from elasticity import hooke
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from implicit_cases import F64, ramp, step_inputs

from neml2 import aoti
from neml2.aoti import AutoScheduler, MPISimpleScheduler, SimpleScheduler, StaticHybridScheduler, load_model

SCHEDULERS = {
    "one part": lambda: SimpleScheduler("cpu", 1000),
    "parts": lambda: SimpleScheduler("cpu", 7),
    "elsewhere": lambda: SimpleScheduler("cpu:0", 11),
    "hybrid": lambda: StaticHybridScheduler(["cpu:0", "cpu:1"], [5, 9], priorities=[0, 1]),
    "auto": lambda: AutoScheduler(["cpu", "cpu:1"]),
}


@pytest.mark.parametrize("kind", SCHEDULERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.integers(0, 60), shared=st.booleans())
def test_a_dispatched_law_is_hookes(promoted_stub: Path, kind: str, points: int, shared: bool) -> None:
    """The stress is Hooke's for moduli of each point, and bit for bit that of the model alone."""
    alone = load_model(promoted_stub, "elasticity")
    model = load_model(promoted_stub, "elasticity", SCHEDULERS[kind]())
    strain = torch.linspace(-1e-3, 1e-3, 6 * points, dtype=F64).reshape(points, 6)
    E = torch.tensor(1e5, dtype=F64) if shared else torch.linspace(1e5, 2e5, points, dtype=F64)
    for each in (alone, model):
        each.set_parameter("E", E)
    stress, blocks = model.jacobian({"strain": strain})
    torch.testing.assert_close(stress["stress"], hooke(strain, 1.0) * (E if shared else E[:, None]))
    expected, expected_blocks = alone.jacobian({"strain": strain})
    assert torch.equal(stress["stress"], expected["stress"])
    for name, block in expected_blocks["stress"].items():
        assert torch.equal(blocks["stress"][name], block)
    tangents = {"strain": strain * 2}
    assert torch.equal(
        model.jvp({"strain": strain}, tangents)[1]["stress"], alone.jvp({"strain": strain}, tangents)[1]["stress"]
    )


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_dispatched_implicit_model_is_the_same_along_a_ramp(isoharden_stub: Path, kind: str) -> None:
    alone, model = load_model(isoharden_stub, "model"), load_model(isoharden_stub, "model", SCHEDULERS[kind]())
    before = []
    for step in range(1, 6):
        inputs = step_inputs(alone, step, ramp(50, step), before)
        outputs, expected = model.forward(inputs), alone.forward(inputs)
        assert all(torch.equal(outputs[name], expected[name]) for name in expected)
        natural, expected_natural = model.forward_natural(inputs), alone.forward_natural(inputs)
        assert all(torch.equal(natural[name], expected_natural[name]) for name in expected)
        before = [{**inputs, **outputs}]


def test_failures_name_the_points_of_the_whole_batch(isoharden_stub: Path) -> None:
    model = load_model(isoharden_stub, "model", SCHEDULERS["hybrid"]())
    inputs = step_inputs(model, 1, ramp(50, 1), [])
    inputs["strain"][[2, 33]] = torch.nan
    with pytest.raises(aoti.AggregateError, match="2 parts of the batch failed") as caught:
        model.forward(inputs)
    assert caught.value.recoverable
    assert [point.index for error in caught.value.errors for point in error.points] == [2, 33]
    inputs["strain"][2] = 0
    with pytest.raises(aoti.ConvergenceError, match=r"1 of 50 .* point 33 .*'strain' is not finite"):
        model.forward(inputs)


def test_solver_options_are_passed_on(isoharden_stub: Path) -> None:
    inputs = step_inputs(load_model(isoharden_stub, "model"), 1, ramp(8, 10), [])
    model = load_model(isoharden_stub, "model", SCHEDULERS["elsewhere"](), solvers={"newton": {"max_its": "1"}})
    with pytest.raises(aoti.ConvergenceError):
        model.forward(inputs)


def test_schedulers_say_what_is_wrong() -> None:
    assert StaticHybridScheduler(["cpu:0", "cpu:1"], [5]).devices == ["cpu:0", "cpu:1"]
    assert sum(AutoScheduler(["cpu:0", "cpu:1"]).split(101)) == 101
    for make, words in (
        (lambda: SimpleScheduler("cpu", 0), "1 or more"),
        (lambda: SimpleScheduler("tpu", 1), "'tpu' is no device"),
        (lambda: StaticHybridScheduler(["cpu", "cpu"], [1]), "twice"),
        (lambda: MPISimpleScheduler(["cpu"], [1]), "MPI_Init" if MPISimpleScheduler.available() else "without MPI"),
    ):
        with pytest.raises(aoti.FatalError, match=words):
            make()

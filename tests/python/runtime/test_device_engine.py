# SPDX-License-Identifier: MIT
"""The engine for GPUs, on CPU tensors: NEML2_ENGINE=device runs CPU packages with it. The CPU engine is the measure."""

import math

import pytest
import torch
from implicit_cases import (
    CASES,
    CUT,
    F64,
    HARDENING,
    ISOHARDEN,
    YIELD,
    inner,
    loaded,
)

from neml2.aoti import ConvergenceError, FatalError, Model

SOLVED = "Solvers/newton/rel_tol=1e-12"
SEARCH = ISOHARDEN.replace("type = Newton\n", "type = NewtonWithLineSearch\n    linesearch_type = STRONG_WOLFE\n")
MODELS = {**CASES, "search": (SEARCH, ("-d", ":strain"))}


@pytest.fixture
def both(monkeypatch):
    """`both(load)` -> what `load()` returns with either engine: (CPU, device)."""

    def load_both(load):
        monkeypatch.setenv("NEML2_ENGINE", "cpu")
        cpu = load()
        monkeypatch.setenv("NEML2_ENGINE", "device")
        return cpu, load()

    return load_both


def assert_close(found, expected, tolerance):
    """Dictionaries of tensors, or of such dictionaries, agree relative to the largest entry of each tensor."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_close(found[name], value, tolerance)
        elif value.numel() > 0:
            assert found[name].shape == value.shape
            assert (found[name] - value).abs().max() <= tolerance * value.abs().max(), name
        else:
            assert found[name].shape == value.shape


def assert_agreement(cpu, device, inputs, tangents, tolerance):
    assert_close(device.forward(inputs), cpu.forward(inputs), tolerance)
    assert_close(device.forward_natural(inputs), cpu.forward_natural(inputs), tolerance)
    for ours, theirs in zip(device.jacobian(inputs), cpu.jacobian(inputs), strict=True):
        assert_close(ours, theirs, tolerance)
    for ours, theirs in zip(device.jvp(inputs, tangents), cpu.jvp(inputs, tangents), strict=True):
        assert_close(ours, theirs, tolerance)


def take(inputs, points):
    """The inputs of `points` points, repeating those there are."""
    index = torch.arange(points) % next(iter(inputs.values())).shape[0]
    return {name: value[index] for name, value in inputs.items()}


@pytest.mark.parametrize("batch", [(), (0,), (1,), (17,), (4, 3), (1000,)])
def test_elasticity(promoted, both, batch):
    cpu, device = both(lambda: Model(promoted))
    strain = torch.randn(*batch, 6, dtype=F64) * 1e-3
    tangents = {"strain": torch.randn(6, dtype=F64), "E": torch.ones((), dtype=F64)}
    assert_agreement(cpu, device, {"strain": strain}, tangents, 1e-14)


def test_broadcasting(combination, both):
    cpu, device = both(lambda: Model(combination))
    a, b = torch.randn(5, 1, 6, dtype=F64), torch.randn(40, 12, dtype=F64)[:, ::2]
    assert_agreement(cpu, device, {"a": a, "b": b}, {"b": a}, 1e-14)


@pytest.mark.parametrize("batch", [0, 1, 17, 1000])
@pytest.mark.parametrize("case", MODELS)
def test_implicit_models(compiled, both, case, batch):
    text, flags = MODELS[case]
    stub = compiled(text, "model", *flags)
    cpu, device = both(lambda: inner(stub, SOLVED))
    inputs = take(loaded(cpu, 9), batch)
    tangents = {"strain": torch.randn(6, dtype=F64)}
    assert_agreement(cpu, device, inputs, tangents, 1e-9)


def test_same_updates_as_on_cpus(isoharden_stub, both):
    """With so loose a tolerance, one update more or less would be seen."""
    cpu, device = both(lambda: inner(isoharden_stub, "Solvers/newton/rel_tol=1e-3"))
    inputs = loaded(cpu, 300)
    assert_close(device.forward(inputs), cpu.forward(inputs), 1e-10)


def test_parameters_with_a_batch(isoharden_stub, both):
    cpu, device = both(lambda: inner(isoharden_stub, SOLVED))
    inputs = loaded(cpu, 17)
    hardening = torch.linspace(500, 2000, 17, dtype=F64)
    for model in (cpu, device):
        model.set_parameter(HARDENING, hardening)
        model.named_parameters()[YIELD].fill_(7.0)
    tangents = {HARDENING: torch.ones(17, dtype=F64), "t": inputs["t"]}
    assert_agreement(cpu, device, inputs, tangents, 1e-9)


def test_single_precision(compiled, isoharden_stub, both):
    loose = ("Solvers/newton/rel_tol=1e-3", "Solvers/newton/abs_tol=1e-3")
    stub = compiled(ISOHARDEN, "model", "-d", ":strain", "--dtype", "float32")
    cpu, device = both(lambda: inner(stub, *loose))
    double = inner(isoharden_stub)
    inputs = {name: value.float() for name, value in loaded(double, 100).items()}
    assert_close(device.forward(inputs), cpu.forward(inputs), 1e-3)
    assert_close(device.jacobian(inputs)[1], cpu.jacobian(inputs)[1], 1e-2)


@pytest.mark.parametrize("call", ["forward", "jacobian"])
@pytest.mark.parametrize("limit", [50, 3])
def test_failing_points(isoharden_stub, both, call, limit):
    """NaN fails at once; with few updates, some others fail too."""
    cpu, device = both(lambda: inner(isoharden_stub, f"Solvers/newton/max_its={limit}"))
    inputs = loaded(inner(isoharden_stub), 40, at=0)
    inputs["strain"][[3, 39]] = math.nan
    caught = []
    for model in (cpu, device):
        with pytest.raises(ConvergenceError) as error:
            getattr(model, call)(inputs)
        caught.append([(index, iterations) for index, iterations, _ in error.value.points])
    assert caught[0] == caught[1]
    assert (len(caught[0]) > 2) == (limit == 3)


def test_steps_that_are_cut_are_refused(compiled, both):
    stub = compiled(CUT, "model", "-d", ":")
    with pytest.raises(FatalError, match="max_substepping_level"):
        both(lambda: inner(stub))

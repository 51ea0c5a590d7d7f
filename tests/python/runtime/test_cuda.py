# SPDX-License-Identifier: MIT
"""Packages for GPUs, on a GPU: they say what those for CPUs say. How the engine works is tested without a GPU too, in
test_device_engine.py; here are its kernels, streams and transfers."""

import math

import pytest
import torch
from implicit_cases import CHABOCHE, F64, ISOHARDEN, ISOHARDEN_FLAGS, YIELD, loaded

import neml2
from input_texts import ELASTICITY
from neml2.aoti import ConvergenceError, FatalError, Model
from support import metadata

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")

CASES = {
    "elasticity": (ELASTICITY, "elasticity", ("-d", ":", "-p", "E", "-d", ":E")),
    "isoharden": (ISOHARDEN, "model", ISOHARDEN_FLAGS),
    "chaboche2": (CHABOCHE, "model", ("-d", "stress:strain")),
}


@pytest.fixture(scope="module", params=CASES)
def models(request, compiled):
    """A model on either device: (CPU, GPU)."""
    return load(compiled, request.param)


@pytest.fixture(scope="module")
def isoharden(compiled):
    return load(compiled, "isoharden")


def load(compiled, case):
    text, name, flags = CASES[case]
    stub = compiled(text, name, *flags, "--device", "cpu", "cuda")
    solvers = {"newton": {"rel_tol": "1e-12"}}
    return tuple(Model(metadata(stub, device), solvers) for device in ("cpu", "cuda"))


def inputs_of(model, points):
    if model.input_names == ["strain"]:
        return {"strain": torch.randn(points, 6, dtype=F64) * 1e-3}
    index = torch.arange(points) % 50
    return {name: value[index] for name, value in loaded(model, 50).items()}


def moved(values, device):
    return {name: value.to(device) for name, value in values.items()}


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_close(found[name], value)
            continue
        assert found[name].device.type == "cuda"
        assert found[name].shape == value.shape
        if value.numel() > 0:
            assert (found[name].cpu() - value).abs().max() <= 1e-9 * value.abs().max(), name


@pytest.mark.parametrize("points", [0, 1, 127, 128, 129, 100_000])
def test_values_and_derivatives(models, points):
    cpu, gpu = models
    assert gpu.device == torch.device("cuda", torch.cuda.current_device())
    inputs = inputs_of(cpu, points)
    there = moved(inputs, "cuda")
    assert_close(gpu.forward(there), cpu.forward(inputs))
    for ours, theirs in zip(gpu.jacobian(there), cpu.jacobian(inputs), strict=True):
        assert_close(ours, theirs)
    tangents = {"strain": torch.randn(6, dtype=F64)}
    for ours, theirs in zip(gpu.jvp(there, moved(tangents, "cuda")), cpu.jvp(inputs, tangents), strict=True):
        assert_close(ours, theirs)
    back = {"stress": torch.randn(points, 6, dtype=F64)}
    for ours, theirs in zip(gpu.vjp(there, moved(back, "cuda")), cpu.vjp(inputs, back), strict=True):
        assert_close(ours, theirs)


def test_parameters_live_on_the_device(isoharden):
    cpu, gpu = isoharden
    inputs = inputs_of(cpu, 300)
    assert gpu.named_parameters()[YIELD].is_cuda
    strength = torch.linspace(3, 30, 300, dtype=F64)
    before = [model.named_parameters()[YIELD] for model in isoharden]
    cpu.set_parameter(YIELD, strength)
    gpu.set_parameter(YIELD, strength.cuda())
    try:
        for ours, theirs in zip(gpu.jacobian(moved(inputs, "cuda")), cpu.jacobian(inputs), strict=True):
            assert_close(ours, theirs)
    finally:
        for model, value in zip(isoharden, before, strict=True):
            model.set_parameter(YIELD, value)


def test_failing_points(isoharden):
    cpu, gpu = isoharden
    inputs = inputs_of(cpu, 1000)
    inputs["strain"][[0, 127, 128, 999]] = math.nan
    with pytest.raises(ConvergenceError) as caught:
        gpu.forward(moved(inputs, "cuda"))
    assert [point[0] for point in caught.value.points] == [0, 127, 128, 999]


def test_inputs_elsewhere_are_refused(isoharden):
    cpu, gpu = isoharden
    with pytest.raises(FatalError, match="is on the device 'cpu', expected 'cuda:"):
        gpu.forward(inputs_of(cpu, 3))


def test_the_callers_stream(isoharden):
    """Work goes to the stream that is current, behind what is on it, and memory is not reused before its time."""
    cpu, gpu = isoharden
    inputs = inputs_of(cpu, 5000)
    expected = cpu.forward(inputs)
    there = moved(inputs, "cuda")
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in range(3)]
    found = []
    for _ in range(5):
        for stream in streams:
            with torch.cuda.stream(stream):
                late = {name: torch.full_like(value, math.nan) for name, value in there.items()}
                torch.cuda._sleep(10_000_000)
                for name, value in there.items():
                    late[name].copy_(value)
                found.append(gpu.forward(late))
    torch.cuda.synchronize()
    for outputs in found:
        assert_close(outputs, expected)


def test_through_an_input_file(compiled):
    """The ambient device chooses the package."""
    text, name, flags = CASES["isoharden"]
    stub = compiled(text, name, *flags, "--device", "cpu", "cuda")
    torch.set_default_device("cuda")
    try:
        model = neml2.load_model(stub, name)
        assert model._inner.device.type == "cuda"
        assert Model.from_stub(stub, name, "cuda").device.type == "cuda"
    finally:
        torch.set_default_device(None)

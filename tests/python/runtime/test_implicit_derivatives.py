# SPDX-License-Identifier: MIT
"""Derivatives of compiled implicit models: the implicit function theorem, checked by two other ways."""

import pytest
import torch
from implicit_cases import (
    CASES,
    CUBIC_DECAY,
    F64,
    HARDENING,
    YIELD,
    central_difference,
    eager,
    inner,
    loaded,
)


@pytest.fixture(scope="module", params=["isoharden", "radret"])
def case(request, compiled):
    text, flags = CASES[request.param]
    model = inner(compiled(text, "model", *flags), "Solvers/newton/abs_tol=1e-13", "Solvers/newton/rel_tol=1e-12")
    return text, model, loaded(model, 5)


@pytest.fixture(scope="module")
def isoharden(isoharden_stub):
    return inner(isoharden_stub, "Solvers/newton/rel_tol=1e-12")


def flat_block(block, output, given):
    """(batch, outputs, inputs); a block without batch axes is that of every point."""
    batch = given.shape[0]
    if block.ndim < output.ndim + given.ndim - 1:
        block = block.expand(batch, *block.shape)
    return block.reshape(batch, output[0].numel(), given[0].numel())


def pairs(model, inputs):
    return [(out, given) for out, given in model.derivative_pairs if given in inputs]


def test_equal_to_eager_autograd(case):
    text, model, inputs = case
    outputs, blocks = model.jacobian(inputs)
    other = eager(text, "Solvers/newton/abs_tol=1e-13", "Solvers/newton/rel_tol=1e-12")
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    values = other.evaluate({name: other.input_spec[name](value) for name, value in leaves.items()})
    checked = 0
    for out, given in pairs(model, inputs):
        ours = flat_block(blocks[out][given], outputs[out], inputs[given])
        value = values[out].data.reshape(5, -1)
        for i in range(value.shape[1]):
            (expected,) = torch.autograd.grad(value[:, i].sum(), leaves[given], retain_graph=True, allow_unused=True)
            expected = torch.zeros_like(leaves[given]) if expected is None else expected
            error = (ours[:, i] - expected.reshape(5, -1)).abs().max().item()
            scale = max(ours.abs().max().item(), outputs[out].abs().max().item() * 1e-3)
            assert error <= 1e-9 * scale, (out, given, i)
            checked += 1
    assert checked >= 40


def test_equal_to_finite_differences(case):
    _, model, inputs = case
    values, blocks = model.jacobian(inputs)
    for out, given in pairs(model, inputs):
        ours = flat_block(blocks[out][given], values[out], inputs[given])
        h = 1e-3 * inputs[given].abs().max().item() or 1e-7
        if given.startswith("strain"):
            h = 1e-6
        elif given.startswith("t"):  # steps of time differ by orders of magnitude
            h = 1e-3 * (inputs["t"] - inputs["t~1"]).min().item()
        for component in range(ours.shape[2]):
            call = lambda value, out=out, given=given: model.forward({**inputs, given: value})[out]  # noqa: E731
            expected = central_difference(call, inputs[given], component, h).reshape(5, -1)
            scale = max(ours.abs().max().item(), values[out].abs().max().item() * 1e-4)
            assert (ours[:, :, component] - expected).abs().max().item() < 2e-5 * scale, (out, given, component)


def test_jvp_is_the_jacobian_times_a_direction(case):
    _, model, inputs = case
    values, blocks = model.jacobian(inputs)
    generator = torch.Generator().manual_seed(3)
    names = sorted({given for out, given in pairs(model, inputs) if out == "stress"})
    tangents = {n: torch.randn(inputs[n].shape, generator=generator, dtype=F64) * 1e-3 for n in names}
    _, products = model.jvp(inputs, tangents)
    expected = sum(
        torch.einsum(
            "bij,bj->bi", flat_block(blocks["stress"][n], values["stress"], inputs[n]), tangents[n].reshape(5, -1)
        )
        for n in names
    )
    torch.testing.assert_close(products["stress"], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("parameter", [HARDENING, YIELD])
def test_with_respect_to_a_parameter(isoharden, parameter, batched):
    inputs = loaded(isoharden, 5)
    original = isoharden.named_parameters()[parameter].clone()
    value = original * torch.linspace(0.8, 1.2, 5, dtype=F64) if batched else original
    try:
        isoharden.set_parameter(parameter, value)
        _, blocks = isoharden.jacobian(inputs)

        def call(shift):
            isoharden.set_parameter(parameter, value + shift)
            return isoharden.forward(inputs)

        h = 1e-4 * original.item()
        points = {k: call(k * h) for k in (-2, -1, 1, 2)}
        for out in ("stress", "equivalent_plastic_strain"):
            slope = (8 * (points[1][out] - points[-1][out]) - (points[2][out] - points[-2][out])) / (12 * h)
            assert blocks[out][parameter].shape == slope.shape
            assert slope.abs().max() > 0
            torch.testing.assert_close(blocks[out][parameter], slope, rtol=1e-6, atol=1e-9 * slope.abs().max().item())
    finally:
        isoharden.set_parameter(parameter, original)


def test_at_rest_the_tangent_is_elastic(isoharden):
    inputs = {n: torch.zeros_like(v) for n, v in loaded(isoharden, 2).items()}
    inputs["t"] = torch.ones(2, dtype=F64)
    _, blocks = isoharden.jacobian(inputs)
    E, nu = 1e5, 0.3
    bulk, shear = E / (3 * (1 - 2 * nu)), E / (2 * (1 + nu))
    one = torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=F64)
    volumetric = torch.outer(one, one) / 3
    expected = 3 * bulk * volumetric + 2 * shear * (torch.eye(6, dtype=F64) - volumetric)
    torch.testing.assert_close(blocks["stress"]["strain"], expected.expand(2, 6, 6), rtol=1e-9, atol=1e-6)


def test_a_block_that_all_points_share(compiled):
    """d x / d x~1 depends on nothing that is batched: one block, the same for all points and for a single one."""
    model = inner(compiled(CUBIC_DECAY, "model", "-d", ":"))
    one = {"x~1": torch.tensor(2.0, dtype=F64), "t": torch.tensor(0.5, dtype=F64), "t~1": torch.tensor(0.0, dtype=F64)}
    many = {**one, "y": torch.linspace(-1, 1, 37, dtype=F64)}
    values, blocks = model.jacobian(many)
    x = values["x"].reshape(-1)[0].item()
    assert x + 0.5 * x**3 == pytest.approx(2.0, rel=1e-12)
    assert blocks["x"]["x~1"].shape == ()
    assert blocks["x"]["x~1"].item() == pytest.approx(1 / (1 + 1.5 * x**2), rel=1e-12)
    _, products = model.jvp(many, {"x~1": torch.tensor(1.0, dtype=F64), "y": torch.ones(37, dtype=F64)})
    expected = torch.full((37,), 1 / (1 + 1.5 * x**2), dtype=F64)
    torch.testing.assert_close(products["x"].expand(37), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(values["z"], 2 * many["y"], rtol=0, atol=0)

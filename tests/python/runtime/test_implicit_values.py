# SPDX-License-Identifier: MIT
"""Compiled implicit models: the values of eager evaluation, whatever the batch looks like."""

import pytest
import torch
from implicit_cases import (
    CASES,
    F64,
    HARDENING,
    ISOHARDEN,
    YIELD,
    eager,
    evaluate,
    inner,
    loaded,
    walk,
)


@pytest.fixture(scope="module")
def isoharden(isoharden_stub):
    return inner(isoharden_stub)


@pytest.mark.parametrize("case", CASES)
def test_compiled_equals_eager_over_a_ramp(compiled, case):
    text, flags = CASES[case]
    steps = zip(walk(inner(compiled(text, "model", *flags)), 5), walk(eager(text), 5), strict=True)
    for number, (ours, theirs) in enumerate(steps):
        for name, value in theirs["outputs"].items():
            scale = value.abs().max().item() + 1e-12
            error = (ours["outputs"][name] - value).abs().max().item()
            assert error < 1e-9 * scale, f"{name} at step {number}"


def test_flow_is_plastic_and_consistent(isoharden):
    """At the end of the ramp, the flow of the last step satisfies Perzyna's law at the last stress."""
    last = walk(isoharden, 4)[-1]
    stress, strain = last["outputs"]["stress"], last["outputs"]["equivalent_plastic_strain"]
    deviator = stress - torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=F64) * stress[:, :3].mean(-1, keepdim=True)
    mises = (1.5 * deviator.square().sum(-1)).sqrt()
    over = (2 / 3) ** 0.5 * (mises - 5 - 1000 * strain)
    rate = (over.clamp(min=0) / 100) ** 2 * (2 / 3) ** 0.5
    dt = last["inputs"]["t"] - last["inputs"]["t~1"]
    grown = strain - last["inputs"]["equivalent_plastic_strain~1"]
    assert grown.min() > 0
    torch.testing.assert_close(grown, rate * dt, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("batch", [0, 1, 17, 1000])
def test_a_batch_is_its_points_bit_for_bit(isoharden, batch):
    inputs = loaded(isoharden, 23)
    pick = torch.arange(batch) % 23
    inputs = {name: value[pick] for name, value in inputs.items()}
    together, blocks = isoharden.jacobian(inputs)
    assert together["stress"].shape == (batch, 6)
    for point in range(0, batch, 1 if batch < 20 else 91):
        alone, block = isoharden.jacobian({name: value[point : point + 1] for name, value in inputs.items()})
        for name in together:
            assert torch.equal(together[name][point], alone[name][0])
            for given in blocks[name]:
                assert torch.equal(blocks[name][given][point], block[name][given][0]), (name, given)


def test_results_do_not_depend_on_threads(isoharden):
    inputs = loaded(isoharden, 1500)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(isoharden.jacobian(inputs))
    finally:
        torch.set_num_threads(before)
    for values, blocks in found[1:]:
        for name, value in found[0][0].items():
            assert torch.equal(values[name], value)
            for given, block in found[0][1][name].items():
                assert torch.equal(blocks[name][given], block)


def test_batch_axes(isoharden):
    flat = loaded(isoharden, 12)
    expected = evaluate(isoharden, flat)
    values = isoharden.forward({name: value.reshape(3, 4, *value.shape[1:]) for name, value in flat.items()})
    for name, value in expected.items():
        assert torch.equal(values[name], value.reshape(3, 4, *value.shape[1:]))
    single = isoharden.forward({name: value[5] for name, value in flat.items()})
    for name, value in expected.items():
        assert torch.equal(single[name], value[5])


def test_inputs_broadcast(isoharden):
    flat = loaded(isoharden, 4)
    mixed = {**flat, "t": flat["t"][2], "t~1": flat["t~1"][2:3], "strain": flat["strain"][:, None]}
    mixed |= {"strain~1": flat["strain~1"][:, None].expand(4, 3, 6)}
    mixed |= {"equivalent_plastic_strain~1": torch.zeros((), dtype=F64), "stress~1": torch.zeros(6, dtype=F64)}
    whole = {
        name: value.expand(4, 3, *value.shape[value.ndim - (6 in value.shape[-1:]) :]).contiguous()
        for name, value in mixed.items()
    }
    values, blocks = isoharden.jacobian(mixed)
    expected, expected_blocks = isoharden.jacobian(whole)
    for name, value in expected.items():
        assert values[name].shape[:2] == (4, 3)
        assert torch.equal(values[name], value)
    assert torch.equal(blocks["stress"]["strain"], expected_blocks["stress"]["strain"])


def test_inputs_with_gaps_between_their_elements(isoharden):
    flat = loaded(isoharden, 6)
    wide = {name: torch.stack([value, torch.full_like(value, 9.0)], -1)[..., 0] for name, value in flat.items()}
    for name, value in isoharden.forward(flat).items():
        assert torch.equal(isoharden.forward(wide)[name], value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_other_number_types_are_refused(isoharden, dtype):
    inputs = loaded(isoharden, 3)
    kind = "float32|Float" if dtype is torch.float32 else "int64|Long"
    with pytest.raises(Exception, match=f"strain.*({kind})|({kind}).*strain"):
        isoharden.forward({**inputs, "strain": inputs["strain"].to(dtype)})


def test_promoted_parameters(isoharden, isoharden_stub):
    """A promoted parameter, one value for all points and one for each, is that of an eager model with this value."""
    model = inner(isoharden_stub)
    inputs = loaded(isoharden, 6)
    hardening = torch.tensor([10.0, 1000.0, 5000.0], dtype=F64)[torch.arange(6) % 3]
    model.set_parameter(HARDENING, hardening)
    values = model.forward(inputs)
    for point, value in enumerate(hardening.tolist()):
        other = eager(ISOHARDEN, f"Models/isoharden/hardening_modulus:={value}")
        for name, expected in evaluate(other, {n: v[point] for n, v in inputs.items()}).items():
            torch.testing.assert_close(values[name][point], expected, rtol=1e-8, atol=1e-12)
    model.set_parameter(HARDENING, torch.tensor(1000.0, dtype=F64))
    model.named_parameters()[YIELD].fill_(50.0)
    changed = eager(ISOHARDEN, "Models/yield_surface/yield_stress:=50")
    for name, expected in evaluate(changed, inputs).items():
        torch.testing.assert_close(model.forward(inputs)[name], expected, rtol=1e-8, atol=1e-12)


def test_line_search(compiled):
    overrides = ("Solvers/newton/type:=NewtonWithLineSearch", "Solvers/newton/max_linesearch_iterations=6")
    model = inner(compiled(ISOHARDEN, "model", *overrides))
    other = eager(ISOHARDEN, *overrides)
    for ours, theirs in zip(walk(model, 4, amplitude=0.5), walk(other, 4, amplitude=0.5), strict=True):
        for name, value in theirs["outputs"].items():
            torch.testing.assert_close(ours["outputs"][name], value, rtol=1e-8, atol=1e-10)

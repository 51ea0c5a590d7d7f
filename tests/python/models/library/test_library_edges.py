# SPDX-License-Identifier: MIT
"""At the ends of every domain, and where branches meet, values and derivatives are finite and mean something."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from library_checks import EXAMPLES, POINTWISE, close
from library_examples import F64

from neml2.models.registry import find


@pytest.mark.parametrize("edge", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("example", POINTWISE, ids=str)
def test_autograd_is_finite_and_agrees_with_forward_mode(example, edge):
    model = example.model
    state = example.typed(model, example.inputs(lambda shape: np.full(shape, edge)))

    def outputs(*data):
        given = {n: type(v)(x, v.sub_batch_ndim) for (n, v), x in zip(state.items(), data, strict=True)}
        return tuple(v.data for v in model.evaluate(given).values())

    data = tuple(v.data for v in state.values())
    forward = torch.func.jacfwd(outputs, argnums=tuple(range(len(data))))(*data) if data else ()
    reverse = torch.autograd.functional.jacobian(outputs, data) if data else ()
    for rows, columns in zip(forward, reverse, strict=True):
        for a, b in zip(rows, columns, strict=True):
            assert torch.isfinite(b).all()
            close(a.detach(), b.detach(), 1e-11)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_evaluation_writes_neither_to_inputs_nor_to_parameters(example):
    values = example.typed(example.model, example.inputs(lambda shape: np.full(shape, 0.3)))
    before = {n: v.data.clone() for n, v in values.items()}
    parameters = [p.detach().clone() for p in example.model.parameters()]
    example.model.evaluate(values)
    assert all(torch.equal(values[n].data, v) for n, v in before.items())
    assert all(torch.equal(p, q) for p, q in zip(example.model.parameters(), parameters, strict=True))


def scalar_slopes(type_, inputs, **options):
    model = find(type_)("m", **options)
    outputs, J = model.jacobian({n: torch.tensor(x, dtype=F64) for n, x in inputs.items()})
    (name,) = outputs
    return outputs[name].data.item(), {n: b.item() for n, b in J[name].items()}


def test_perzyna_has_no_slope_at_the_yield_surface():
    for n, slope in ((1.0, 0.0), (3.0, 0.0), (0.5, 0.0)):
        value, slopes = scalar_slopes(
            "PerzynaPlasticFlowRate", {"yield_function": 0.0}, reference_stress=2.0, exponent=n
        )
        assert value == 0 and slopes["yield_function"] == slope


def test_macaulay_splits_the_slope_at_zero_evenly():
    _, J = find("MacaulaySplit")("m").jacobian({"from": torch.tensor(0.0, dtype=F64)})
    assert [J[k]["from"].item() for k in ("to_positive", "to_negative")] == [0.5, 0.5]


def test_a_tie_of_the_min_map_is_decided_for_b():
    value, slopes = scalar_slopes("MinMapComplementarity", {"a": 0.0, "b": 0.0})
    assert value == 0 and slopes == {"a": 0.0, "b": 1.0}


def test_a_closed_interface_has_no_mode_mixity():
    for normal in (0.0, -1.0):
        value, slopes = scalar_slopes("ModeMixity", {"normal_separation": normal, "tangential_separation": 2.0})
        assert value == 0 and set(slopes.values()) == {0.0}


def test_damage_of_a_bilinear_interface_at_its_corners():
    model = find("BilinearTraction")("m", penalty_stiffness=10.0, critical_separation=0.2, full_separation=0.5)
    for separation, damage in ((0.0, 0.0), (0.2, 0.0), (0.5, 1.0), (0.8, 1.0)):
        values = {"effective_separation": separation, "normal_separation": separation,
                  "tangential_separation_1": 0.0, "tangential_separation_2": 0.0, "damage~1": 0.0}  # fmt: skip
        outputs, J = model.jacobian({n: torch.tensor(x, dtype=F64) for n, x in values.items()})
        assert outputs["damage"].data.item() == pytest.approx(damage, abs=1e-15)
        assert all(torch.isfinite(block).all() for row in J.values() for block in row.values())
    swapped = find("BilinearTraction")("m", penalty_stiffness=10.0, critical_separation=0.5, full_separation=0.2)
    assert swapped(0.6, 0.0, 0.0, 0.0, 0.0)[1].data.item() == 1.0


def test_damage_never_decreases():
    lengths = {"normal_characteristic_length": 1.0, "tangential_characteristic_length": 1.0}
    model = find("SalehaniIraniTraction")("m", **lengths, normal_strength=2.0, shear_strength=1.0)
    (traction, damage) = model(0.1, 0.0, 0.0, 0.7)
    assert damage.data.item() == 0.7
    assert traction.data[0].item() == pytest.approx(math.e * 2 * 0.1 * 0.3)
    peak = model(1.0, 0.0, 0.0, 0.0)[0].data[0].item()
    assert peak == pytest.approx(2.0), "the strength is the largest traction"


def test_the_exact_exponential_map_is_the_true_one():
    """A quarter turn in one step and in a hundred."""
    model = find("WR2ExplicitExponentialTimeIntegration")("m", variable="r", exact=True)
    spin = torch.tensor([0.0, 0.0, math.pi / 2], dtype=F64)
    r = torch.zeros(3, dtype=F64)
    for k in range(100):
        r = model(r, torch.tensor(0.01 * (k + 1), dtype=F64), torch.tensor(0.01 * k, dtype=F64), spin).data
    one = model(torch.zeros(3, dtype=F64), 1.0, 0.0, spin).data
    np.testing.assert_allclose(one, [0, 0, math.tan(math.pi / 8)], rtol=1e-14)
    np.testing.assert_allclose(r, one, rtol=1e-12)

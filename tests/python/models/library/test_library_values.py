# SPDX-License-Identifier: MIT
"""Every model computes its equation and the derivatives of it, for any batch, in either precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from library_checks import EXAMPLES, POINTWISE, array, close, differences, draw
from library_examples import F64

from neml2.hit import REGISTRIES

WITH_PARAMETERS = [e for e in EXAMPLES if e.promotable()]
SEEDS = range(3)

every = pytest.mark.parametrize("example", EXAMPLES, ids=str)
pointwise = pytest.mark.parametrize("example", POINTWISE, ids=str)
with_parameters = pytest.mark.parametrize("example", WITH_PARAMETERS, ids=str)


ELSEWHERE = {  # have test files of their own
    "AOTIModel", "ComposedModel", "ConstantExtrapolationPredictor", "CoordinateDescentPredictor", "ImplicitUpdate",
    "LinearExtrapolationPredictor", "Normality", "RateCondensation",
}  # fmt: skip


def test_every_registered_type_has_an_example():
    registry = REGISTRIES["Models"]
    names = [name for name in registry.names() if name not in ELSEWHERE]
    own = {name for name in names if registry.lookup(name).__module__.startswith("neml2.")}
    assert own == {example.type for example in EXAMPLES}


@every
@pytest.mark.parametrize("seed", SEEDS)
def test_value_is_that_of_the_equation(example, seed):
    values = draw(example, seed)
    outputs = example.model.evaluate(example.typed(example.model, values))
    for (name, value), expected in zip(outputs.items(), example.expected(values), strict=True):
        assert type(value) is example.model.output_spec[name]
        close(array(value), expected, 1e-12, name)


@pointwise
@pytest.mark.parametrize("seed", SEEDS)
def test_derivative_is_that_of_the_equation(example, seed):
    model = example.promoted or example.model
    values = {**draw(example, seed), **example.parameters()}
    values = {name: values[name] for name in model.input_spec}
    _, J = model.jacobian(example.typed(model, values))
    for name, value in values.items():
        low, high = example.interval(name)
        width = min(high - low, max(float(np.abs(value).max()), 0.1)) if name.startswith("var_") else np.max(high - low)
        expected = differences(example.expected, values, name, width)
        for output, block in zip(model.output_spec, expected, strict=True):
            close(J[output][name].detach().numpy(), block, 2e-8, f"d {output} / d {name}")


class Evaluate(torch.nn.Module):
    """A model as a module, so that `functional_call` replaces its parameters."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, state):
        return self.model.evaluate(state)


@every
def test_autograd_agrees_with_forward_mode(example):
    model = example.model
    state = example.typed(model, draw(example, 0))
    parameters = [f"model.{name}" for name, _ in model.named_parameters()]

    def outputs(*data):
        given = {n: type(v)(x, v.sub_batch_ndim) for (n, v), x in zip(state.items(), data, strict=False)}
        changed = dict(zip(parameters, data[len(state) :], strict=True))
        return tuple(v.data for v in torch.func.functional_call(Evaluate(model), changed, (given,)).values())

    data = (*(v.data for v in state.values()), *(p.detach() for p in model.parameters()))
    forward = torch.func.jacfwd(outputs, argnums=tuple(range(len(data))))(*data)
    reverse = torch.autograd.functional.jacobian(outputs, data)
    for rows, columns in zip(forward, reverse, strict=True):
        for a, b in zip(rows, columns, strict=True):
            assert torch.isfinite(b).all()
            close(a.detach(), b.detach(), 1e-11)


@pointwise
def test_a_batch_is_its_points(example):
    model = example.promoted or example.model
    names = list(model.input_spec)
    shapes = [((3, 1), (4,), (), (3, 4))[k % 4] for k in range(len(names))]
    values = {**draw(example, 1), **example.parameters()}
    batched = {}
    rng = np.random.default_rng(5)
    for name, shape in zip(names, shapes, strict=True):
        wiggle = rng.uniform(0.98, 1.02, (*shape, *(1,) * np.ndim(values[name])))
        batched[name] = values[name] * wiggle
    outputs = model.evaluate(example.typed(model, batched))
    batch = np.broadcast_shapes(*shapes) if shapes else ()
    _, J = model.jacobian(example.typed(model, batched))
    for index in np.ndindex(batch):
        point = {n: _at(v, np.ndim(values[n]), index) for n, v in batched.items()}
        single, slopes = model.jacobian(example.typed(model, point))
        for name, value in outputs.items():
            close(_at(array(value), array(single[name]).ndim, index), array(single[name]), 1e-14, name)
            for to in names:
                expected = slopes[name][to].detach()
                close(_at(J[name][to].detach().numpy(), expected.ndim, index), expected, 1e-13, f"{name}, {to}")


@pytest.mark.parametrize("example", [e for e in POINTWISE if not e.lead and not e.leads], ids=str)
def test_values_with_sites_meet_values_without(example):
    """Every second input has a value for each of three sites; the others are shared by the sites of a point."""
    model = example.model
    rng = np.random.default_rng(6)
    values, sited = draw(example, 2), {}
    for k, (name, value) in enumerate(values.items()):
        shape = (2, 3) if k % 2 else (2,)
        sited[name] = value * rng.uniform(0.98, 1.02, (*shape, *(1,) * np.ndim(value)))
    state = {
        name: type_(torch.as_tensor(sited[name]), sub_batch_ndim=k % 2)
        for k, (name, type_) in enumerate(model.input_spec.items())
    }
    outputs = model.evaluate(state)
    for b, g in np.ndindex(2, 3):
        point = {n: v[(b, g)[: v.ndim - np.ndim(values[n])]] for n, v in sited.items()}
        for name, single in model.evaluate(example.typed(model, point)).items():
            value = outputs[name]
            own = single.batch_ndim  # site axes that the model makes
            lead = (b, g) if value.sub_batch_ndim > own and value.batch_ndim else (b,)[: value.batch_ndim - own]
            close(array(value)[lead], array(single), 1e-14, name)


def _at(values, point_ndim, index):
    """The point `index` of values that may have fewer batch axes, or axes of size one."""
    lead = np.shape(values)[: np.ndim(values) - point_ndim]
    return np.asarray(values)[
        tuple(i if n > 1 else 0 for i, n in zip(index[len(index) - len(lead) :], lead, strict=True))
    ]


@every
def test_single_precision(example):
    values = draw(example, 2)
    model = example.build().to(torch.float32)
    single = model.evaluate(example.typed(model, values, torch.float32))
    double = example.model.evaluate(example.typed(example.model, values))
    for name, value in single.items():
        assert value.dtype == torch.float32
        close(array(value), array(double[name]), 2e-5, name)


@with_parameters
def test_a_promoted_parameter_means_the_same_as_a_stored_one(example):
    values = draw(example, 0)
    promoted = example.promoted
    stored_names = list(example.model.input_spec)
    assert list(promoted.input_spec)[: len(stored_names)] == stored_names
    assert not [slot for slot in promoted.parameter_slots if f"var_{slot.name}" in promoted.input_spec and
                slot.name in promoted._parameters]  # fmt: skip
    expected = example.model.evaluate(example.typed(example.model, values))
    outputs = promoted.evaluate(example.typed(promoted, {**example.parameters(), **values}))
    for name, value in outputs.items():
        close(array(value), array(expected[name]), 1e-15, name)


@pytest.mark.parametrize("example", [e for e in POINTWISE if list(e.model.parameters())], ids=str)
def test_parameters_may_carry_a_batch(example):
    values = draw(example, 0)
    model = example.build()
    factor = torch.tensor([1.0, 1.01], dtype=F64)
    single = []
    for k in range(2):
        one = example.build()
        with torch.no_grad():
            for p in one.parameters():
                p.mul_(factor[k])
        single.append(one.evaluate(example.typed(one, values)))
    for name, p in list(model.named_parameters()):
        model.register_parameter(name, torch.nn.Parameter(torch.stack([p.detach(), p.detach() * 1.01])))
    for name, value in model.evaluate(example.typed(model, values)).items():
        for k in range(2):
            close(_at(array(value), array(single[k][name]).ndim, (k,)), array(single[k][name]), 1e-14, name)


@every
def test_no_option_hides_a_method_of_modules(example):
    hidden = [name for name in example.model.__dict__ if hasattr(torch.nn.Module, name) and name != "training"]
    assert [name for name in hidden if not name.startswith("_")] == []

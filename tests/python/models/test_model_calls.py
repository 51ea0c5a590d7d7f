# SPDX-License-Identifier: MIT
"""Calling models: positional and named inputs, derivatives, batches, transforms."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.utils.parametrize
from torch.fx.experimental.proxy_tensor import make_fx

from neml2.models import Input, Model, Output, Parameter, T, register_family
from neml2.models.common.backward_euler import BackwardEulerTimeIntegration
from neml2.models.common.linear_combination import LinearCombination
from neml2.models.registry import find
from neml2.models.solid_mechanics.isotropic_hardening import VoceIsotropicHardening
from neml2.types import SR2, Scalar, Vec

D = {"dtype": torch.float64}


class Stretch(Model):
    """Two outputs, inputs of different type."""

    direction = Input(Vec)
    amount = Input(Scalar)
    bias = Input(Scalar, optional=True)
    vector = Output(Vec)
    square = Output(Scalar)
    k = Parameter(Scalar, 2.0)

    def forward(self, direction, amount, bias, k):
        amount = amount if bias is None else amount + bias
        return k * amount * direction, k * amount * amount


def rand(*shape):
    return torch.rand(shape, **D, generator=torch.Generator().manual_seed(sum(shape) + 1)) + 0.1


def test_positional_and_named_inputs_typed_and_raw():
    model = Stretch("s")
    v, a = rand(4, 3), rand(4)
    vector, square = model(v, a)
    torch.testing.assert_close(vector.data, 2 * a[:, None] * v)
    torch.testing.assert_close(square.data, 2 * a * a)
    again = model(Vec(v), amount=Scalar(a))
    torch.testing.assert_close(again[0].data, vector.data)
    assert repr(model) == "Stretch('s': direction, amount -> vector, square)"
    assert model.input_spec == {"direction": Vec, "amount": Scalar}
    assert model.output_spec == {"vector": Vec, "square": Scalar}


def test_an_optional_input_exists_when_it_is_named():
    model = Stretch(bias="extra")
    assert list(model.input_spec) == ["direction", "amount", "extra"]
    assert model(rand(3), 1.0, 0.5)[1].data.item() == 2 * 1.5**2


def test_evaluate_reads_a_larger_state_and_does_not_write_to_it():
    state = {"direction": Vec(rand(3)), "amount": Scalar(rand(2)), "other": Scalar(rand(2))}
    before = dict(state)
    outputs = Stretch().evaluate(state)
    assert list(outputs) == ["vector", "square"] and state == before
    with pytest.raises(KeyError, match=r"needs the input 'amount'; given are: direction"):
        Stretch().evaluate({"direction": Vec(rand(3))})


@pytest.mark.parametrize(
    "args, kwargs, error, words",
    [
        ((), {}, TypeError, "missing inputs direction, amount"),
        ((1,), {}, TypeError, "missing input amount"),
        ((1, 2, 3), {}, TypeError, r"takes 2 inputs \(direction, amount\), 3 are given"),
        ((), {"direktion": 1}, TypeError, "no input 'direktion'; did you mean 'direction'?"),
        ((rand(3),), {"direction": rand(3), "amount": 1}, TypeError, "'direction' is given twice"),
        ((rand(4), 1.0), {}, ValueError, r"'direction' must have a shape that ends in \(3,\), got \(4,\)"),
        ((SR2(rand(6)), 1.0), {}, TypeError, "'direction' must be a Vec, not a SR2"),
        (([1.0, 2, 3], 1.0), {}, TypeError, "'direction' must be a Vec or a torch.Tensor, not a list"),
    ],
)
def test_bad_calls(args, kwargs, error, words):
    with pytest.raises(error, match=words):
        Stretch()(*args, **kwargs)


def test_jacobian_of_every_block_against_the_closed_form():
    v, a = rand(5, 3), rand(5)
    outputs, J = Stretch().jacobian({"direction": v, "amount": a})
    torch.testing.assert_close(outputs["square"].data, 2 * a * a)
    torch.testing.assert_close(J["vector"]["direction"], 2 * a[:, None, None] * torch.eye(3, **D))
    torch.testing.assert_close(J["vector"]["amount"], 2 * v)
    torch.testing.assert_close(J["square"]["amount"], 4 * a)
    torch.testing.assert_close(J["square"]["direction"], torch.zeros(5, 3, **D))


@pytest.mark.parametrize(
    "bv, ba, batch",
    [((), (), ()), ((), (4,), (4,)), ((4,), (), (4,)), ((2, 1), (3,), (2, 3)), ((0,), (1,), (0,))],
)
def test_jacobian_of_inputs_that_broadcast(bv, ba, batch):
    v, a = rand(*bv, 3), rand(*ba)
    outputs, J = Stretch().jacobian({"direction": v, "amount": a})
    assert outputs["square"].data.shape == ba
    assert J["vector"]["direction"].shape == (*batch, 3, 3)
    assert J["vector"]["amount"].shape == (*batch, 3)
    assert J["square"]["direction"].shape == (*batch, 3)
    assert J["square"]["amount"].shape == batch
    assert outputs["vector"].data.shape == (*batch, 3)
    torch.testing.assert_close(J["vector"]["amount"], (2 * v).expand(*batch, 3))


def test_jacobian_agrees_with_autograd_per_point():
    v, a = rand(3, 3), rand(3)
    _, J = Stretch().jacobian({"direction": v, "amount": a})
    for p in range(3):
        reference = torch.autograd.functional.jacobian(lambda x, p=p: Stretch()(x, a[p])[0].data, v[p])
        torch.testing.assert_close(J["vector"]["direction"][p], reference)


def test_jvp_is_jacobian_times_tangent_and_missing_tangents_are_zero():
    v, a, dv = rand(4, 3), rand(4), rand(4, 3) - 0.5
    model = Stretch()
    _, J = model.jacobian({"direction": v, "amount": a})
    _, slopes = model.jvp({"direction": v, "amount": a}, {"direction": dv})
    torch.testing.assert_close(slopes["vector"].data, torch.einsum("bij,bj->bi", J["vector"]["direction"], dv))
    assert slopes["square"].data.abs().max() == 0 and type(slopes["vector"]) is Vec
    _, none = model.jvp({"direction": v, "amount": a}, {})
    assert none["vector"].data.shape == (4, 3) and none["vector"].data.abs().max() == 0
    _, broadcast = model.jvp({"direction": v[0], "amount": a[0]}, {"direction": dv})
    assert broadcast["vector"].data.shape == (4, 3)
    with pytest.raises(TypeError, match="no input 'direktion' to take a tangent of; did you mean 'direction'"):
        model.jvp({"direction": v, "amount": a}, {"direktion": dv})


def test_jacobian_with_sub_batch_axes_keeps_them_before_the_base_axes():
    v = Vec(rand(2, 4, 3), sub_batch_ndim=1)
    a = Scalar(rand(2))
    outputs, J = Stretch().jacobian({"direction": v, "amount": a})
    assert outputs["vector"].sub_batch_ndim == 1
    assert J["vector"]["direction"].shape == (2, 4, 3, 4, 3) and J["vector"]["amount"].shape == (2, 4, 3)
    expected = 2 * a.data[:, None, None, None, None] * torch.eye(12, **D).reshape(4, 3, 4, 3)
    torch.testing.assert_close(J["vector"]["direction"], expected)


def test_parameters_can_be_replaced_and_traced():
    model = VoceIsotropicHardening("h", saturated_hardening=100.0, saturation_rate=2.0)
    ep = torch.tensor(0.3, **D)
    graph = make_fx(lambda R, x: torch.func.functional_call(model, {"R": R}, (x,)).data)(torch.tensor(5.0, **D), ep)
    value = graph(torch.tensor(7.0, **D), torch.tensor(0.5, **D))
    assert value.item() == pytest.approx(7 * (1 - torch.exp(torch.tensor(-1.0, **D)).item()), rel=1e-15)


def test_vmap_over_points_equals_a_batched_call():
    model = VoceIsotropicHardening(saturated_hardening=100.0, saturation_rate=2.0)
    ep = rand(7)
    torch.testing.assert_close(torch.func.vmap(lambda x: model(x).data)(ep), model(ep).data)


def test_parameters_with_a_batch_axis_of_their_own():
    model = VoceIsotropicHardening(saturated_hardening=[1.0, 2.0, 3.0], saturation_rate=2.0)
    ep = rand(5, 1)
    assert model(ep).data.shape == (5, 3)
    _, J = model.jacobian({"equivalent_plastic_strain": ep})
    expected = model.get_parameter("R") * 2 * torch.exp(-2 * ep)
    torch.testing.assert_close(J["isotropic_hardening"]["equivalent_plastic_strain"], expected)


def test_models_can_be_copied_and_pickled():
    model = VoceIsotropicHardening("h", saturated_hardening=100.0, saturation_rate=2.0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(0.1).data, model(0.1).data)
        assert other.get_parameter("R") is not model.get_parameter("R")


def test_a_family_registers_one_class_for_each_type():
    @register_family("{T}ScaledForTest", (Scalar, SR2))
    class Scaled(Model):
        x = Input(T)
        y = Output(T, derived="{x}_scaled")
        factor = Parameter(Scalar, 3.0)

        def forward(self, x, factor):
            return factor * x

    model = find("SR2ScaledForTest")(x="strain")
    assert model.output_spec == {"strain_scaled": SR2} and model.TYPE is SR2
    assert find("ScalarScaledForTest")().input_spec == {"x": Scalar}


def test_every_type_of_an_integrator():
    for name in ("Scalar", "SR2", "R2", "Vec"):
        assert issubclass(find(f"{name}BackwardEulerTimeIntegration"), BackwardEulerTimeIntegration)
    assert issubclass(find("SR2LinearCombination"), LinearCombination)


def test_a_parametrised_parameter_is_used():
    class Exponential(torch.nn.Module):
        def forward(self, value):
            return value.exp()

        def right_inverse(self, value):
            return value.log()

    model = VoceIsotropicHardening(saturated_hardening=100.0, saturation_rate=2.0)
    before = model(0.3).data
    torch.nn.utils.parametrize.register_parametrization(model, "R", Exponential())
    torch.testing.assert_close(model(0.3).data, before)


def test_single_precision():
    model = VoceIsotropicHardening(saturated_hardening=100.0, saturation_rate=2.0).to(torch.float32)
    x = torch.rand(4)
    outputs, J = model.jacobian({"equivalent_plastic_strain": x})
    assert outputs["isotropic_hardening"].data.dtype == torch.float32
    assert J["isotropic_hardening"]["equivalent_plastic_strain"].dtype == torch.float32


def test_inputs_taken_one_by_one_give_the_same_jacobian(monkeypatch):
    x = {"direction": rand(4, 3), "amount": rand(4)}
    _, together = Stretch().jacobian(x)
    monkeypatch.setattr("neml2.models.derivatives.FEW", 0)
    _, apart = Stretch().jacobian(x)
    for out, blocks in together.items():
        for name, block in blocks.items():
            torch.testing.assert_close(apart[out][name], block, rtol=0, atol=0)


def test_a_model_without_inputs_has_no_blocks():
    class Constant(Model):
        value = Output(Scalar)
        k = Parameter(Scalar, 2.0)

        def forward(self, k):
            return k

    outputs, J = Constant().jacobian({})
    assert outputs["value"].data.item() == 2.0 and J == {"value": {}}

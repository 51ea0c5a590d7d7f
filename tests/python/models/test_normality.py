# SPDX-License-Identifier: MIT
"""Gradients of a yield function as outputs, at one point and over any batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from neml2.hit import load_string
from neml2.models.solid_mechanics.normality import Normality
from neml2.types import SR2, Scalar, dev, norm

D = {"dtype": torch.float64}

FILE = """
[Models]
  [vonmises]
    type = SR2Invariant
    invariant_type = VONMISES
    tensor = 'M'
    invariant = 'effective_stress'
  []
  [surface]
    type = YieldFunction
    yield_stress = ${sy}
    isotropic_hardening = 'h'
  []
  [flow]
    type = ComposedModel
    models = 'vonmises surface'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '1 0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    stress = 'M'
  []
  [elastic_flow]
    type = ComposedModel
    models = 'elasticity vonmises surface'
  []
  [normality]
    type = Normality
    model = ${inner}
    function = '${function}'
    from = '${from}'
    to = '${to}'
  []
  [both]
    type = ComposedModel
    models = 'normality surface vonmises'
  []
  [temperature_dependent]
    type = ScalarLinearCombination
    from = 'T'
    to = 'sy'
  []
[]
"""
DEFAULTS = {"sy": "5", "inner": "flow", "function": "yield_function", "from": "M h", "to": "NM Nh"}


def model(name="normality", **changes):
    given = {**DEFAULTS, **changes}
    return load_string(FILE, pre=[f"{k}='{v}'" for k, v in given.items()], name="n.i").get_model(name)


def stress(*batch):
    return torch.randn(*batch, 6, **D, generator=torch.Generator().manual_seed(len(batch) + 1)) * 10


def closed_form(M):
    """sqrt(2/3) 3/2 S / vonmises = S / |S|"""
    deviator = dev(SR2(M))
    return deviator.data / norm(deviator).data[..., None]


def test_the_flow_direction_is_the_unit_deviator():
    M = stress(4)
    NM, Nh = model()(M, torch.rand(4, **D))
    assert type(NM) is SR2 and type(Nh) is Scalar
    torch.testing.assert_close(NM.data, closed_form(M), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(Nh.data, torch.full((4,), -math.sqrt(2 / 3), **D))


def test_names():
    normality = model()
    assert list(normality.input_spec) == ["M", "h"] and normality.output_spec == {"NM": SR2, "Nh": Scalar}
    assert [n for n, _ in normality.named_parameters()] == ["flow.surface.sy"]
    assert "normality.flow.surface.sy" in dict(model("both").named_parameters())
    assert len(list(model("both").parameters())) == 1
    assert list(model(**{"from": "h", "to": "N"}).output_spec) == ["N"]


@pytest.mark.parametrize("bm, bh", [((), ()), ((), (4,)), ((4,), ()), ((2, 1), (3,)), ((1,), (5,)), ((0,), ())])
def test_each_point_has_its_own_gradient_whatever_the_batch(bm, bh):
    M, h = stress(*bm), torch.rand(bh, **D)
    NM, Nh = model()(M, h)
    batch = torch.broadcast_shapes(bm, bh)
    torch.testing.assert_close(NM.data, closed_form(M).expand(*batch, 6), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(Nh.data, torch.full(batch, -math.sqrt(2 / 3), **D))


def test_a_batched_parameter_of_the_inner_model_does_not_add_up():
    NM, Nh = model(sy="5 6 7")(stress(), 0.5)
    torch.testing.assert_close(NM.data, closed_form(stress()).expand(3, 6), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(Nh.data, torch.full((3,), -math.sqrt(2 / 3), **D))


def test_values_shared_by_sites_get_one_gradient_for_each_site():
    M, h = SR2(stress(2)), Scalar(torch.rand(2, 4, **D), sub_batch_ndim=1)
    NM, Nh = model()(M, h)
    assert NM.sub_batch_ndim == Nh.sub_batch_ndim == 1 and NM.data.shape == (2, 4, 6)
    torch.testing.assert_close(NM.data, closed_form(M.data)[:, None].expand(2, 4, 6), rtol=1e-12, atol=1e-14)


def test_derivative_is_the_symmetric_hessian():
    M, h = stress(3), torch.rand(3, **D)
    _, J = model().jacobian({"M": M, "h": h})
    hessian = J["NM"]["M"]
    torch.testing.assert_close(hessian, hessian.transpose(-1, -2), rtol=1e-12, atol=1e-14)
    N, S = closed_form(M), norm(dev(SR2(M))).data
    volumetric = torch.zeros(6, 6, **D)
    volumetric[:3, :3] = 1 / 3
    expected = (torch.eye(6, **D) - volumetric - N[:, :, None] * N[:, None, :]) / S[:, None, None]
    torch.testing.assert_close(hessian, expected, rtol=1e-10, atol=1e-14)
    assert J["NM"]["h"].abs().max() == 0 and J["Nh"]["M"].abs().max() == 0


def test_the_gradient_is_finite_without_stress():
    NM, _ = model()(torch.zeros(6, **D), 0.0)
    assert NM.data.abs().max() == 0


def test_at_one_point_under_every_transform():
    normality, M, h = model(), stress(), torch.tensor(0.5, **D)

    def direction(x):
        return normality(x, h)[0].data

    _, J = normality.jacobian({"M": M, "h": h})
    reference = J["NM"]["M"].detach()
    torch.testing.assert_close(torch.func.jacfwd(direction)(M).detach(), reference)
    torch.testing.assert_close(torch.func.jacrev(direction)(M).detach(), reference)
    _, slope = torch.func.jvp(direction, (M,), (torch.ones(6, **D),))
    torch.testing.assert_close(slope.detach(), reference.sum(-1))
    many = stress(5)
    torch.testing.assert_close(torch.func.vmap(direction)(many), closed_form(many), rtol=1e-12, atol=1e-14)
    hessians = torch.func.vmap(torch.func.jacfwd(direction))(many)
    torch.testing.assert_close(hessians, normality.jacobian({"M": many, "h": h})[1]["NM"]["M"])
    graph = make_fx(direction)(M)
    torch.testing.assert_close(graph(many[1]).detach(), closed_form(many[1]), rtol=1e-12, atol=1e-14)
    graph = make_fx(torch.func.jacfwd(direction))(M)
    torch.testing.assert_close(graph(many[1]), hessians[1])


def test_autograd_reaches_the_parameters_of_the_inner_model():
    normality = model("both")
    (slope,) = torch.autograd.grad(normality(stress(), 0.5)[-1].data.sum(), list(normality.parameters()))
    assert slope.item() == pytest.approx(-math.sqrt(2 / 3))


def test_a_promoted_parameter_of_the_inner_model_is_an_input():
    normality = model(sy="temperature_dependent")
    assert list(normality.input_spec) == ["M", "T", "h"]
    assert [p.name for p in normality.providers] == []


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"to": "NM"}, r"n.i:\d+: \[Models/normality\] option 'to': 1 names for 2 gradients"),
        ({"function": "yield_funktion"}, "option 'function': 'yield_funktion' is no Scalar output .*yield_function"),
        ({"from": "M hh"}, "option 'from': 'hh' is no input of .*"),
    ],
)
def test_bad_names(changes, words):
    with pytest.raises(ValueError, match=words):
        model(**changes)


def test_any_explicit_model_may_be_differentiated():
    """d f / d strain = C : df/dM, with C of E = 1, nu = 0.3."""
    strain = stress(3)
    N, Nh = model(inner="elastic_flow", **{"from": "strain h"})(strain, torch.rand(3, **D))
    torch.testing.assert_close(N.data, closed_form(strain) / 1.3, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(Nh.data, torch.full((3,), -math.sqrt(2 / 3), **D))


def test_a_model_that_solves_a_system_is_a_type_error():
    inner = model().inner
    inner.children_in_order[0].equation_system = None
    with pytest.raises(TypeError, match=r"solves a system of equations"):
        Normality(model=inner, function="yield_function", **{"from": ["M"], "to": ["N"]})

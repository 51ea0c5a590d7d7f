# SPDX-License-Identifier: MIT
"""Isotropic elasticity."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.hit import load_string
from neml2.models.solid_mechanics.linear_isotropic_elasticity import LinearIsotropicElasticity
from neml2.types import SR2

TYPES = ["YOUNGS_MODULUS", "POISSONS_RATIO"]


def elasticity(E=200e3, nu=0.3, **options):
    return LinearIsotropicElasticity(coefficients=[E, nu], coefficient_types=TYPES, **options)


def strain(*batch):
    return SR2(torch.randn(*batch, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 1e-3)


def test_uniaxial_stress_gives_youngs_modulus_and_poissons_ratio():
    E, nu, e = 123.0, 0.27, 1e-3
    stress = elasticity(E, nu)(torch.tensor([e, -nu * e, -nu * e, 0, 0, 0], dtype=torch.float64))
    expected = torch.tensor([E * e, 0, 0, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(stress.data, expected, rtol=1e-14, atol=1e-15)


def test_simple_shear_gives_twice_the_shear_modulus():
    E, nu = 200e3, 0.3
    shear = torch.tensor([0, 0, 0, 1.0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(elasticity(E, nu)(shear).data, E / (1 + nu) * shear)


def test_pressure_gives_the_bulk_modulus():
    E, nu = 200e3, 0.3
    volume = torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(elasticity(E, nu)(volume).data, E / (1 - 2 * nu) * volume)


@settings(max_examples=25, deadline=None)
@given(E=st.floats(1.0, 1e6), nu=st.floats(-0.9, 0.45))
def test_compliance_is_the_inverse(E, nu):
    x = strain(4)
    back = elasticity(E, nu, compliance=True)(elasticity(E, nu)(x).data)
    torch.testing.assert_close(back.data, x.data, rtol=1e-11, atol=1e-16)


def test_stiffness_is_symmetric_and_constant():
    _, J = elasticity().jacobian({"strain": strain(3, 2)})
    block = J["stress"]["strain"]
    assert block.shape == (3, 2, 6, 6)
    torch.testing.assert_close(block, block.transpose(-1, -2))
    torch.testing.assert_close(block, block[0, 0].expand(3, 2, 6, 6))


def test_derivatives_with_respect_to_parameters_agree_with_finite_differences():
    model, x, h = elasticity(), strain(), 1e-4
    for name, parameter in model.named_parameters():
        (slope,) = torch.autograd.grad(model(x).data.sum(), parameter)
        values = []
        for sign in (1, -1):
            moved = {name: parameter.detach() * (1 + sign * h)}
            values.append(torch.func.functional_call(model, moved, (x,)).data.sum())
        torch.testing.assert_close(slope, ((values[0] - values[1]) / (2 * h * parameter)).detach(), rtol=1e-6, atol=0)


def test_the_last_operation_is_the_sum_of_volumetric_and_deviatoric_stress():
    assert "grad_fn=<AddBackward0>" in repr(elasticity()(strain(2)).data)


@pytest.mark.parametrize(
    "options, inputs, outputs",
    [
        ({}, "strain", "stress"),
        ({"compliance": True}, "stress", "strain"),
        ({"rate_form": True}, "strain_rate", "stress_rate"),
        ({"rate_form": True, "strain": "elastic_strain"}, "elastic_strain_rate", "stress_rate"),
        ({"rate_form": True, "compliance": True, "stress": "s"}, "s_rate", "strain_rate"),
    ],
)
def test_names_of_variables(options, inputs, outputs):
    model = elasticity(**options)
    assert list(model.input_spec) == [inputs] and list(model.output_spec) == [outputs]
    assert [name for name, _ in model.named_parameters()] == ["E", "nu"]


def from_file(coefficients, types):
    text = f"coefficients = '{coefficients}'\ncoefficient_types = '{types}'"
    return load_string(f"[Models]\n[e]\ntype = LinearIsotropicElasticity\n{text}\n[]\n[]", name="e.i").get_model("e")


def test_the_types_and_not_their_order_give_the_meaning():
    model = from_file("0.3 200e3", "POISSONS_RATIO YOUNGS_MODULUS")
    assert {n: p.item() for n, p in model.named_parameters()} == {"E": 200e3, "nu": 0.3}
    assert all(p.dtype == torch.float64 and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    "coefficients, types, words",
    [
        ("1", "YOUNGS_MODULUS", "e.i:5: .*expected {YOUNGS_MODULUS, POISSONS_RATIO}, got {YOUNGS_MODULUS}"),
        ("1 2", "YOUNGS_MODULUS YOUNGS_MODULUS", "expected {YOUNGS_MODULUS, POISSONS_RATIO}, got"),
        ("1 2", "YOUNGS_MODULUS BULK_MODULUS", "expected {YOUNGS_MODULUS, POISSONS_RATIO}, got"),
        ("1 2", "YOUNG_MODULUS POISSONS_RATIO", "no elastic coefficient; did you mean 'YOUNGS_MODULUS'"),
        ("1 2 3", "YOUNGS_MODULUS POISSONS_RATIO", "2 types are given for 3 coefficients"),
    ],
)
def test_bad_coefficients(coefficients, types, words):
    with pytest.raises(ValueError, match=words):
        from_file(coefficients, types)


def test_missing_coefficients():
    with pytest.raises(ValueError, match=r"\[Models/e\]: option 'coefficients' is required"):
        load_string("[Models]\n[e]\ntype = LinearIsotropicElasticity\n[]\n[]").get_model("e")
    with pytest.raises(ValueError, match="option 'coefficients' is required"):
        LinearIsotropicElasticity()

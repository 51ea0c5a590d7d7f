# SPDX-License-Identifier: MIT
"""Equations of plasticity against closed forms, and every derivative against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.models.registry import find
from neml2.types import SR2, Scalar, dev, norm

D = {"dtype": torch.float64}
EPS = torch.finfo(torch.float64).eps


def tensor(*values):
    return torch.tensor(values, **D)


def sr2(*batch, seed=0):
    return torch.randn(*batch, 6, **D, generator=torch.Generator().manual_seed(seed))


def inputs_of(model, batch=(3,), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.rand(*batch, *T.BASE_SHAPE, **D, generator=generator) + 0.5 for n, T in model.input_spec.items()}


ELASTIC = {"coefficients": [100.0, 0.3], "coefficient_types": ["YOUNGS_MODULUS", "POISSONS_RATIO"]}
CASES = [
    ("LinearIsotropicElasticity", ELASTIC),
    ("LinearIsotropicElasticity", {**ELASTIC, "compliance": True}),
    ("LinearIsotropicElasticity", {**ELASTIC, "coefficients": ["E", "nu"]}),
    ("ScalarVariableRate", {"variable": "a"}),
    ("SR2VariableRate", {"variable": "a"}),
    ("R2BackwardEulerTimeIntegration", {"variable": "a"}),
    ("SR2ForwardEulerTimeIntegration", {"variable": "a"}),
    ("SR2LinearCombination", {"from_": ["a", "b"], "weights": ["w", 2.0], "offset": "o"}),
    ("SR2Invariant", {"invariant_type": "VONMISES"}),
    ("SR2Invariant", {"invariant_type": "EFFECTIVE_STRAIN"}),
    ("SR2Invariant", {"invariant_type": "I1"}),
    ("YieldFunction", {"yield_stress": "sy", "isotropic_hardening": "h"}),
    ("PerzynaPlasticFlowRate", {"reference_stress": "eta", "exponent": "n"}),
    ("AssociativePlasticFlow", {}),
    ("AssociativeIsotropicPlasticHardening", {}),
    ("AssociativeKinematicPlasticHardening", {}),
    ("LinearIsotropicHardening", {"hardening_modulus": "K"}),
    ("VoceIsotropicHardening", {"saturated_hardening": "R", "saturation_rate": "d"}),
    ("LinearKinematicHardening", {"hardening_modulus": "H"}),
    ("ChabochePlasticHardening", {"C": "C", "g": "g", "A": "A", "a": "a"}),
    ("IsotropicMandelStress", {}),
]


@pytest.mark.parametrize("name, options", CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)])
def test_every_derivative_agrees_with_finite_differences_and_autograd(name, options):
    model = find(name)(**options)
    x = inputs_of(model)
    if "nu" in x:
        x["nu"] = x["nu"] * 0.3
    _, J = model.jacobian(x)
    h = 1e-6
    for given_name, value in x.items():
        direction = torch.rand(value.shape, **D, generator=torch.Generator().manual_seed(7)) + 0.5
        up, down = (model.evaluate(model.bind((), {**x, given_name: value + s * h * direction})) for s in (1, -1))
        leaf = value.clone().requires_grad_()
        values = model.evaluate(model.bind((), {**x, given_name: leaf}))
        for out, output in values.items():
            numeric = (up[out].data - down[out].data) / (2 * h)
            block = J[out][given_name]
            columns = block.reshape(*output.data.shape, -1)
            exact = torch.einsum("p...i,pi->p...", columns, direction.reshape(len(direction), -1))
            torch.testing.assert_close(exact, numeric, rtol=1e-7, atol=1e-7)
            weights = torch.rand(output.data.shape, **D, generator=torch.Generator().manual_seed(8))
            (reverse,) = torch.autograd.grad(
                (output.data * weights).sum(), leaf, allow_unused=True, materialize_grads=True
            )
            forward = torch.einsum("p...i,p...->pi", columns, weights).reshape(value.shape)
            torch.testing.assert_close(forward, reverse, rtol=1e-12, atol=1e-13)


# -- time integration --------------------------------------------------------------------------------------------------


def test_variable_rate_of_a_ramp_is_its_slope():
    rate = find("SR2VariableRate")(variable="strain")
    assert list(rate.input_spec) == ["strain", "strain~1", "t", "t~1"] and list(rate.output_spec) == ["strain_rate"]
    slope = sr2(4)
    torch.testing.assert_close(rate(slope * 3.0, slope * 1.0, 3.0, 1.0).data, slope)
    assert list(find("VecVariableRate")(variable="v", variable_rate="w", time="s").input_spec)[2:] == ["s", "s~1"]
    assert list(find("VecVariableRate")(variable="v", variable_rate="w").output_spec) == ["w"]


def test_forward_euler_makes_the_backward_euler_residual_vanish():
    old, rate = sr2(5), sr2(5, seed=1)
    forward = find("SR2ForwardEulerTimeIntegration")(variable="a")
    backward = find("SR2BackwardEulerTimeIntegration")(variable="a")
    assert list(forward.input_spec) == ["a~1", "t", "t~1", "a_rate"] and list(forward.output_spec) == ["a"]
    assert list(backward.input_spec) == ["a", "a~1", "t", "t~1", "a_rate"]
    assert list(backward.output_spec) == ["a_residual"]
    new = forward(old, 1.5, 1.0, rate)
    torch.testing.assert_close(new.data, old + 0.5 * rate)
    torch.testing.assert_close(backward(new, old, 1.5, 1.0, rate).data, torch.zeros(5, 6, **D), atol=1e-15, rtol=0)


def test_renaming_of_derived_variables():
    backward = find("ScalarBackwardEulerTimeIntegration")(variable="a", rate="v", variable_residual="r", time="s")
    assert list(backward.input_spec) == ["a", "a~1", "s", "s~1", "v"] and list(backward.output_spec) == ["r"]
    forward = find("ScalarForwardEulerTimeIntegration")(variable="a", old_variable="b", rate="v")
    assert list(forward.input_spec) == ["b", "t", "t~1", "v"]
    assert list(find("ScalarBackwardEulerTimeIntegration")().output_spec) == ["variable_residual"]
    with pytest.raises(ValueError, match="no option 'old_variable'"):
        find("ScalarBackwardEulerTimeIntegration")(old_variable="b")


# -- invariants and yield ----------------------------------------------------------------------------------------------


def test_von_mises_stress_of_uniaxial_tension_and_shear():
    vonmises = find("SR2Invariant")(invariant_type="VONMISES")
    assert vonmises(tensor(-7.0, 0, 0, 0, 0, 0)).data.item() == pytest.approx(7.0, rel=1e-15)
    assert vonmises(tensor(0, 0, 0, math.sqrt(2) * 5, 0, 0)).data.item() == pytest.approx(5 * math.sqrt(3), rel=1e-15)
    assert vonmises(tensor(0.0, 0, 0, 0, 0, 0)).data.item() == math.sqrt(EPS)
    effective = find("SR2Invariant")(invariant_type="EFFECTIVE_STRAIN")
    assert effective(tensor(0.2, -0.1, -0.1, 0, 0, 0)).data.item() == pytest.approx(0.2, rel=1e-13)
    assert find("SR2Invariant")(invariant_type="I1")(tensor(1, 2, 4, 8, 8, 8)).data.item() == 7.0


def test_invariants_do_not_change_with_the_frame():
    vonmises, i1 = (find("SR2Invariant")(invariant_type=k) for k in ("VONMISES", "I1"))
    q, _ = torch.linalg.qr(torch.randn(3, 3, **D, generator=torch.Generator().manual_seed(3)))
    a = sr2()
    r = math.sqrt(0.5)
    full = torch.stack([a[0], r * a[5], r * a[4], r * a[5], a[1], r * a[3], r * a[4], r * a[3], a[2]]).reshape(3, 3)
    m = q @ full @ q.T
    turned = torch.stack([m[0, 0], m[1, 1], m[2, 2], m[1, 2] / r, m[0, 2] / r, m[0, 1] / r])
    for model in (vonmises, i1):
        torch.testing.assert_close(model(a).data, model(turned).data, rtol=1e-13, atol=1e-13)


def test_unknown_invariants():
    with pytest.raises(NotImplementedError, match="I2"):
        find("SR2Invariant")(invariant_type="I2")
    with pytest.raises(ValueError, match=r"'VONMISE' is not one of .*did you mean 'VONMISES'"):
        find("SR2Invariant")(invariant_type="VONMISE")
    assert (
        list(
            torch.isfinite(
                find("SR2Invariant")(invariant_type="VONMISES").jacobian({"tensor": torch.zeros(6, **D)})[1][
                    "invariant"
                ]["tensor"]
            )
        )
        == [True] * 6
    )


def test_yield_function_with_and_without_hardening():
    plain = find("YieldFunction")(yield_stress=5.0)
    assert list(plain.input_spec) == ["effective_stress"]
    assert plain(8.0).data.item() == pytest.approx(math.sqrt(2 / 3) * 3)
    hard = find("YieldFunction")(yield_stress=5.0, isotropic_hardening="h")
    assert list(hard.input_spec) == ["effective_stress", "h"]
    assert hard(8.0, 2.0).data.item() == pytest.approx(math.sqrt(2 / 3))


# -- flow and hardening ------------------------------------------------------------------------------------------------


def perzyna(eta=100.0, n=2.0):
    return find("PerzynaPlasticFlowRate")(reference_stress=eta, exponent=n)


@settings(max_examples=50, deadline=None)
@given(f=st.floats(-1e3, 1e3), eta=st.floats(1.0, 1e3), n=st.floats(1.0, 8.0))
def test_perzyna_flow_rate(f, eta, n):
    expected = (f / eta) ** n if f > 0 else 0.0
    assert perzyna(eta, n)(f).data.item() == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("n", [1.0, 2.0, 3.7])
@pytest.mark.parametrize("f", [0.0, -0.0, -3.0])
def test_perzyna_derivatives_vanish_at_and_below_yield(f, n):
    model = find("PerzynaPlasticFlowRate")(reference_stress="eta", exponent="n")
    outputs, J = model.jacobian({"yield_function": tensor(f), "eta": tensor(100.0), "n": tensor(n)})
    assert outputs["flow_rate"].data.item() == 0.0
    assert [J["flow_rate"][x].item() for x in ("yield_function", "eta", "n")] == [0.0, 0.0, 0.0]
    x = [tensor(v).requires_grad_() for v in (f, 100.0, n)]
    gradients = torch.autograd.grad(model(*x).data.sum(), x)
    assert [g.item() for g in gradients] == [0.0, 0.0, 0.0]


def test_perzyna_derivatives_above_yield():
    f, eta, n = 30.0, 100.0, 2.5
    model = find("PerzynaPlasticFlowRate")(reference_stress="eta", exponent="n")
    _, J = model.jacobian({"yield_function": tensor(f), "eta": tensor(eta), "n": tensor(n)})
    rate = (f / eta) ** n
    expected = {"yield_function": n / f * rate, "eta": -n / eta * rate, "n": rate * math.log(f / eta)}
    for name, value in expected.items():
        assert J["flow_rate"][name].item() == pytest.approx(value, rel=1e-13)


def test_associative_rates():
    rate, direction = torch.rand(4, **D), sr2(4)
    torch.testing.assert_close(find("AssociativePlasticFlow")()(rate, direction).data, rate[:, None] * direction)
    kinematic = find("AssociativeKinematicPlasticHardening")()
    torch.testing.assert_close(kinematic(rate, direction).data, -rate[:, None] * direction)
    isotropic = find("AssociativeIsotropicPlasticHardening")()
    torch.testing.assert_close(isotropic(rate, direction[:, 0]).data, -rate * direction[:, 0])


def test_isotropic_hardening():
    assert find("LinearIsotropicHardening")(hardening_modulus=1000.0)(0.02).data.item() == 20.0
    voce = find("VoceIsotropicHardening")(saturated_hardening=100.0, saturation_rate=3.0)
    assert voce(0.0).data.item() == 0.0 and voce(50.0).data.item() == pytest.approx(100.0)
    assert voce.jacobian({"equivalent_plastic_strain": tensor(0.0)})[1]["isotropic_hardening"][
        "equivalent_plastic_strain"
    ].item() == pytest.approx(300.0)


def test_kinematic_hardening():
    strain = sr2(3)
    torch.testing.assert_close(find("LinearKinematicHardening")(hardening_modulus=10.0)(strain).data, 10 * strain)
    model = find("ChabochePlasticHardening")(back_stress="X1", C=10.0, g=2.0, A=0.0, a=1.2)
    assert list(model.input_spec) == ["flow_rate", "flow_direction", "X1"] and list(model.output_spec) == ["X1_rate"]
    direction = dev(SR2(sr2(seed=4)))
    saturated = SR2(2.0 / 3.0 * 10.0 / 2.0 * direction.data)  # where hardening and dynamic recovery balance
    torch.testing.assert_close(model(1.0, direction, saturated).data, torch.zeros(6, **D), atol=1e-14, rtol=0)


def test_static_recovery_of_a_back_stress():
    X = sr2(5)
    model = find("ChabochePlasticHardening")(C=10.0, g=2.0, A=3.0, a=2.2, back_stress_rate="r")
    expected = -3.0 * (norm(SR2(X)).data ** 1.2)[:, None] * X
    torch.testing.assert_close(model(Scalar(0.0), sr2(), X).data, expected, rtol=1e-12, atol=1e-13)
    assert list(model.output_spec) == ["r"]
    at_zero = model.jacobian({"flow_rate": tensor(0.0), "flow_direction": sr2(), "back_stress": torch.zeros(6, **D)})
    assert torch.isfinite(at_zero[1]["r"]["back_stress"]).all()


def test_isotropic_mandel_stress_is_the_cauchy_stress():
    x = sr2(2)
    torch.testing.assert_close(find("IsotropicMandelStress")()(x).data, x)

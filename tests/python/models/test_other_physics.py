# SPDX-License-Identifier: MIT
"""Reactions, porous flow and phase-field fracture: limits, kinks, and what they add up to in a system."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from neml2.hit import load_string
from neml2.models.registry import find
from reaction_inputs import FRACTURE, INFILTRATION, REACTION

F64 = torch.float64
EPS = torch.finfo(F64).eps


def slopes(model, **values: float) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Values and derivatives of a model of scalars at one point."""
    outputs, J = model.jacobian({name: torch.tensor(value, dtype=F64) for name, value in values.items()})
    return (
        {name: value.data.item() for name, value in outputs.items()},
        {name: {to: block.item() for to, block in row.items()} for name, row in J.items()},
    )


def curve(type_: str, x: float, **options) -> tuple[float, float]:
    """Value and slope of a model with one input and one output."""
    model = find(type_)("m", **options)
    (name,) = model.input_spec
    outputs, J = slopes(model, **{name: x})
    (out,) = outputs
    return outputs[out], J[out][name]


# ---- chemical reactions ----------------------------------------------------------------------------------------------


def test_nucleation_starts_at_rest_and_is_undefined_beyond_complete_conversion():
    assert curve("AvramiErofeevNucleation", 0.0, coef=2.0, order=1.5) == (0.0, 0.0)
    for a in (1.0, 1.1):
        assert math.isnan(curve("AvramiErofeevNucleation", a, coef=2.0, order=1.5)[0])


def test_a_contracting_geometry_is_clamped_and_has_its_slope_at_both_ends_of_the_reaction():
    value, slope = curve("ContractingGeometry", 0.0, coef=2.0, order=1.5)
    assert (value, slope) == (2.0, -3.0)
    assert curve("ContractingGeometry", -0.1, coef=2.0, order=1.5) == (2.0, 0.0)
    for a in (1.0, 1.1):
        assert curve("ContractingGeometry", a, coef=2.0, order=1.5)[0] == pytest.approx(2 * EPS**1.5)


def test_radii_of_a_channel_at_its_limits():
    model = find("CylindricalChannelGeometry")("m")
    radii, J = slopes(model, solid_fraction=0.0, product_fraction=0.0)
    assert radii == {"inner_radius": 1.0, "outer_radius": 1.0}
    assert J["inner_radius"] == {"solid_fraction": -0.5, "product_fraction": -0.5}
    radii, J = slopes(model, solid_fraction=0.6, product_fraction=0.5)
    assert radii["inner_radius"] == pytest.approx(math.sqrt(EPS)) and set(J["inner_radius"].values()) == {0.0}


def test_a_first_order_reaction_takes_one_iteration_a_step_from_its_very_start():
    """Backward Euler in closed form, 1 - a = (1 - a_n)/(1 + k dt); max_its = 2 allows one update."""
    model = load_string(REACTION).get_model("update")
    a = torch.zeros(3, dtype=F64)
    dt = torch.tensor([0.1, 0.5, 2.0], dtype=F64)
    for step in range(1, 6):
        a = model(**{"a~1": a, "t": step * dt, "t~1": (step - 1) * dt}).data.detach()
        np.testing.assert_allclose(1 - a, (1 + 0.7 * dt) ** -step, rtol=1e-9)


def test_product_grows_from_nothing_in_proportion_to_what_is_consumed_and_ever_more_slowly():
    model = load_string(INFILTRATION).get_model("update")
    old = {"phi_S": torch.tensor([0.3, 0.05], dtype=F64), "phi_P": torch.zeros(2, dtype=F64)}
    made = []
    for step in range(1, 6):
        given = {f"{name}~1": value for name, value in old.items()}
        given |= {"t": torch.tensor(1.0 * step), "t~1": torch.tensor(step - 1.0), "R_L": torch.tensor([1.0, 0.5])}
        new = dict(zip(model.output_spec, (x.data.detach() for x in model(**given)), strict=True))
        made.append(new["phi_P"] - old["phi_P"])
        torch.testing.assert_close(made[-1] / 1.2, (old["phi_S"] - new["phi_S"]) / 0.5, rtol=1e-8, atol=0)
        old = new
    assert all((later < earlier).all() and (later > 0).all() for earlier, later in pairwise(made))


# ---- porous flow -----------------------------------------------------------------------------------------------------

CURVES = {
    "BrooksCoreyCapillaryPressure": {"threshold_pressure": 2.0, "exponent": 1.7},
    "VanGenuchtenCapillaryPressure": {"a": 2.0, "m": 0.7},
}


@pytest.mark.parametrize("type_", CURVES)
def test_the_logarithmic_extension_continues_value_and_slope(type_):
    extended = CURVES[type_] | {"log_extension": True, "transition_saturation": 0.2}
    for S in (0.2, 0.5, 0.9):
        assert curve(type_, S, **extended) == pytest.approx(curve(type_, S, **CURVES[type_]), rel=1e-13)
    below, above = curve(type_, 0.2 * (1 - 1e-14), **extended), curve(type_, 0.2, **extended)
    assert below == pytest.approx(above, rel=1e-12)
    logs = [math.log(curve(type_, S, **extended)[0]) for S in (-0.3, -0.1, 0.1)]
    assert logs[0] - logs[1] == pytest.approx(logs[1] - logs[2], rel=1e-12)


def test_dry_and_saturated_ground():
    assert curve("BrooksCoreyCapillaryPressure", 0.0, **CURVES["BrooksCoreyCapillaryPressure"])[0] == math.inf
    genuchten = CURVES["VanGenuchtenCapillaryPressure"]
    wet, flooded = (curve("VanGenuchtenCapillaryPressure", S, **genuchten) for S in (1.0, 1.5))
    assert wet == flooded == (pytest.approx(2 * EPS**0.3, rel=0.2), 0.0)


def test_permeability_at_limits_of_porosity():
    options = {"reference_permeability": 3.0, "n": 0.8}
    assert curve("KozenyCarmanPermeability", 0.5, **options, reference_porosity=0.0, m=0.0)[0] == 3.0
    assert curve("KozenyCarmanPermeability", 0.5, **options, reference_porosity=1.0, m=1.8)[0] == 0.0
    for type_, more in (("ExponentialLawPermeability", {"scale": 2.0}), ("PowerLawPermeability", {"exponent": 3.0}),
                        ("KozenyCarmanPermeability", {"n": 2.0, "m": 2.0})):  # fmt: skip
        common = {"reference_permeability": 3.0, "reference_porosity": 0.4}
        assert curve(type_, 0.4, **common, **more)[0] == pytest.approx(3.0, rel=1e-14)


# ---- phase-field fracture --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["PowerDegradationFunction", "RationalDegradationFunction"])
def test_degradation_goes_from_one_to_the_residual(type_):
    options = {"power": 2.0, "eta": 0.05}
    if type_.startswith("Rational"):
        options |= {"b1": 1.4, "b2": 0.5, "b3": 0.3}
    assert curve(type_, 0.0, **options)[0] == 1.0
    assert curve(type_, 1.0, **options) == (0.05, 0.0)
    values = [curve(type_, d, **options)[0] for d in np.linspace(0, 1, 9)]
    assert values == sorted(values, reverse=True)


def energy(**options):
    moduli = {"coefficients": (3.0, 2.0), "coefficient_types": ("BULK_MODULUS", "SHEAR_MODULUS")}
    return find("LinearIsotropicStrainEnergyDensity")("m", **(moduli | options))


def test_moduli_of_any_kind_become_bulk_and_shear_modulus():
    E, nu = 200.0, 0.3
    model = energy(coefficients=(nu, E), coefficient_types=("POISSONS_RATIO", "YOUNGS_MODULUS"))
    values = {name: p.item() for name, p in model.named_parameters()}
    assert values == {"K": pytest.approx(E / (3 * (1 - 2 * nu))), "G": pytest.approx(E / (2 * (1 + nu)))}


def test_the_split_changes_no_sum_and_spares_compression():
    E = torch.tensor([[0.1, -0.05, 0.2, 0.3, 0.1, -0.2], [-0.1, -0.05, 0.1, 0.3, 0.1, -0.2]], dtype=F64)
    whole, none = energy()(E)
    active, inactive = energy(decomposition="VOLDEV")(E)
    whole, none, active, inactive = (x.detach() for x in (whole, none, active, inactive))
    assert torch.equal(none.data, torch.zeros(2, dtype=F64))
    torch.testing.assert_close((active + inactive).data, whole.data, rtol=1e-14, atol=0)
    assert inactive.data[0] == 0 and inactive.data[1] == pytest.approx(3 / 2 * 0.05**2)


def test_a_homogeneous_phase_minimises_the_energy():
    """(1 - d)^2 active + c d^2 is least at d = active/(active + c); the stress is that of the degraded solid."""
    source = load_string(FRACTURE)
    E = torch.tensor([[0.3, 0.1, -0.1, 0.1, 0.2, -0.1], [-0.3, 0.1, -0.1, 0.1, 0.2, -0.1]], dtype=F64)
    active, _ = energy(decomposition="VOLDEV")(E)
    d = (active.data / (active.data + 0.4)).detach().unsqueeze(-1)
    found, _ = source.get_model("model").jacobian({"E": E, "d~1": torch.zeros(2, dtype=F64)})
    torch.testing.assert_close(found["d"].data.detach(), d[:, 0], rtol=1e-10, atol=0)
    mean = E[:, :3].sum(-1, keepdim=True) / 3
    unit = torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=F64)
    positive = (mean > 0).to(F64)
    stress = (1 - d) ** 2 * (9 * positive * mean * unit + 4 * (E - mean * unit)) + 9 * (1 - positive) * mean * unit
    torch.testing.assert_close(found["S"].data.detach(), stress, rtol=1e-9, atol=1e-12)


def test_the_stiffness_at_zero_trace_is_the_mean_of_both_sides():
    source = load_string(FRACTURE)
    _, J = source.get_model("stress").jacobian({"d": torch.tensor(0.5), "E": torch.zeros(6, dtype=F64)})
    unit = torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=F64)
    volumetric = (J["S"]["E"] @ unit)[:3].sum() / 9
    assert volumetric.item() == pytest.approx(3 * (0.25 + 1) / 2)

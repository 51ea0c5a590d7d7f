# SPDX-License-Identifier: MIT
"""Crystals under load: closed forms, and what symmetry asks for."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
import pytest
import torch

from crystal_inputs import CRYSTAL, GEOMETRY
from neml2.crystal import from_euler, random_texture
from neml2.hit import load_string
from neml2.types import MRP, R2, SR2, WR2, Scalar, compose, euler_rodrigues, rotate

F64 = torch.float64


def crystal(strength="50", structure="dense"):
    text = CRYSTAL.replace("${strength}", strength).replace("${structure}", structure)
    return load_string(text)


def step(model, r, d, w, sites=0, hardening=0.0, **more):
    shape = r.data.shape[:-1]
    return model.evaluate({
        "elastic_strain~1": SR2(torch.zeros(*shape, 6, dtype=F64), sub_batch_ndim=sites),
        "slip_hardening~1": Scalar(torch.full(shape, hardening, dtype=F64), sub_batch_ndim=sites),
        "orientation~1": r, "deformation_rate": d, "vorticity": w,
        "t": Scalar(torch.tensor(0.05, dtype=F64)), "t~1": Scalar(torch.tensor(0.0, dtype=F64)), **more,
    })  # fmt: skip


D = SR2.fill(0.1, -0.06, -0.04, 0.01, 0.02, -0.03, dtype=F64)
W = WR2.fill(0.1, -0.05, -0.05)


@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0, 70.0])
def test_schmid_law(angle):
    """A crystal turned about z and pulled along x: sigma cos(phi) cos(lambda)."""
    model = load_string(GEOMETRY + "[Models]\n  [tau]\n    type = ResolvedShear\n  []\n[]\n").get_model("tau")
    R = euler_rodrigues(from_euler(torch.tensor([angle, 0.0, 0.0], dtype=F64), degrees=True))
    found = model(SR2.fill(100.0, 0.0, 0.0, dtype=F64), R).data
    axis = np.array([cos(radians(angle)), -sin(radians(angle)), 0.0])  # x in crystal axes
    geometry = model.crystal_geometry.slip_systems
    expected = 100 * (geometry.directions.numpy() @ axis) * (geometry.normals.numpy() @ axis)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_crystal_turned_with_its_load_responds_turned():
    update = crystal().get_model("update")
    Q = random_texture(1, seed=2).data[0]
    r = random_texture(3, seed=1)
    with torch.no_grad():
        here = step(update, r, D, W)
        there = step(update, compose(MRP(Q), r), rotate(D, MRP(Q)), rotate(W, MRP(Q)))
    turned = rotate(here["elastic_strain"], MRP(Q))
    assert (here["slip_hardening"].data > 0.5).all(), "the step is plastic"
    torch.testing.assert_close(there["elastic_strain"].data, turned.data, rtol=0, atol=1e-10)
    torch.testing.assert_close(there["slip_hardening"].data, here["slip_hardening"].data, rtol=1e-8, atol=0)
    R = [euler_rodrigues(v).data for v in (there["orientation"], compose(MRP(Q), here["orientation"]))]
    torch.testing.assert_close(*R, rtol=0, atol=1e-10)


def test_hardening_saturates():
    """Backward Euler of Voce's law, h = (h_n + theta dgamma)/(1 + theta dgamma / tau_f), on the way to tau_f."""
    update = crystal().get_model("hardening_update")
    t, h, expected = torch.tensor([0.0, 1.0], dtype=F64), Scalar(torch.zeros(3, dtype=F64)), torch.zeros(3, dtype=F64)
    rate = Scalar(torch.tensor([0.01, 0.1, 1.0], dtype=F64))
    with torch.no_grad():
        for _ in range(5):
            h = update(slip_hardening=h, **{"slip_hardening~1": h, "sum_slip_rates": rate, "t": t[1], "t~1": t[0]})
            expected = (expected + 500 * rate.data) / (1 + 10 * rate.data)
            torch.testing.assert_close(h.data, expected, rtol=1e-9, atol=0)
    assert 49.9 < float(h.data[2]) < 50


@pytest.mark.parametrize("structure", ["dense", "block"])
def test_grains_are_crystals_of_their_own(structure):
    """Grains as sites of one point, and as points: the same values, and the same derivatives grain by grain."""
    update, sited = crystal().get_model("update"), crystal(structure=structure).get_model("update")
    r = random_texture(3, seed=1)
    with torch.no_grad():
        points = step(update, r, D, W)
        grains = step(sited, MRP(r.data, sub_batch_ndim=1), D, W, sites=1)
    for name, value in points.items():
        assert grains[name].sub_batch_ndim == 1
        torch.testing.assert_close(grains[name].data, value.data, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("strength", ["strengths", "tau0"])
def test_each_system_may_have_a_strength(strength):
    """A sub-batched parameter, stored and as a variable."""
    update = crystal(strength).get_model("update")
    values = torch.linspace(40.0, 62.0, 12, dtype=F64)
    given = {"tau0": Scalar(values, sub_batch_ndim=1)} if strength == "tau0" else {}
    with torch.no_grad():
        found = step(update, random_texture(2, seed=1), D, W, **given)
    residual = crystal("strengths").get_model("residual")
    now = {f"{name}~1": value._make(0 * value.data, 0) for name, value in found.items()}
    now["orientation~1"] = random_texture(2, seed=1)
    times = {"t": Scalar(torch.tensor(0.05, dtype=F64)), "t~1": Scalar(torch.tensor(0.0, dtype=F64))}
    r = residual.evaluate({**now, **found, **times, "deformation_rate": D, "vorticity": W})
    for value in r.values():
        assert value.data.abs().max() < 1e-8
    if given:
        r = random_texture(2, seed=1)

        def hardening(tau0):
            return step(update, r, D, W, tau0=Scalar(tau0, sub_batch_ndim=1))["slip_hardening"].data

        J = torch.func.jacfwd(hardening)(values)
        assert J.shape == (2, 12)
        h = 1e-3
        with torch.no_grad():
            for k in (0, 7):
                unit = torch.eye(12, dtype=F64)[k] * h
                slope = (hardening(values + unit) - hardening(values - unit)) / (2 * h)
                torch.testing.assert_close(J[:, k], slope, rtol=1e-4, atol=1e-7)


def test_elastic_interaction_is_the_slope_of_the_resolved_shear():
    """d tau_i / d gamma_j over a step: the stress falls by C : dt M_j."""
    text = (
        GEOMETRY
        + """
[Models]
  [tau]
    type = ResolvedShear
  []
  [A]
    type = SlipSystemElasticInteraction
    elastic_stiffness_tensor = 'C'
  []
[]
"""
    )
    source = load_string(text)
    tau, A = source.get_model("tau"), source.get_model("A")
    r = MRP(torch.tensor([0.1, -0.2, 0.3], dtype=F64))
    found = A(r, 1.5, 1.0).data
    R = euler_rodrigues(r)
    stress = rotate(SR2(source.get_tensor("C").data @ tau._M[4]), R)
    torch.testing.assert_close(found[:, 4], 0.5 * tau(stress, R).data)
    assert A(MRP(torch.zeros(5, 3, dtype=F64)), 1.5, 1.0).data.shape == (5, 12, 12)


def test_geometry_blocks():
    text = """
[Data]
  [hcp]
    type = HexagonalCrystal
    lattice_parameter = 3.2
    c_over_a = 1.6
    slip_families = 'basal pyramidal_ca'
    slip_directions = '1 1 -2 0; 1 1 -2 3'
    slip_planes = '1 0 -1 0; 1 1 -2 2'
  []
  [bcc]
    type = BodyCentredCrystal
    lattice_parameter = 2.87
    slip_families = '110 112 123'
  []
[]
[Models]
  [tau]
    type = ResolvedShear
    crystal_geometry = 'hcp'
  []
  [lost]
    type = ResolvedShear
  []
[]
"""
    source = load_string(text)
    assert source.get_data("hcp").slip_offsets == (0, 3, 15, 18, 24)
    assert source.get_data("bcc").slip_offsets == (0, 12, 24, 48)
    assert source.get_model("tau")(SR2.zeros(dtype=F64), R2.identity(dtype=F64)).data.shape == (24,)
    with pytest.raises(KeyError, match="crystal_geometry"):
        source.get_model("lost")
    for line, message in [
        ("slip_families = 'basl'", "did you mean 'basal'"),
        ("slip_planes = '1 0 -1 0'", "1 planes for 2 directions"),
        ("slip_planes = '1 0 0 0; 1 1 -2 2'", "must add up to 0"),
        ("slip_planes = '1 0 0; 1 1 -2 2'", "are four, got 3"),
        ("c_over_a = 0", "must be positive"),
    ]:
        name, _, value = line.partition(" = ")
        with pytest.raises(ValueError, match=message) as caught:
            load_string(text, additional_args=[f"Data/hcp/{name}:={value}"]).get_data("hcp")
        assert "[Data/hcp]" in str(caught.value)

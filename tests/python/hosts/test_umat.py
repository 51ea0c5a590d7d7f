# SPDX-License-Identifier: MIT
"""UMAT, called from Fortran: histories are those of the library, tangents those of finite differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from host_programs import (
    ALL,
    DT,
    FINITE,
    RATES,
    STRAINS,
    TANGENT,
    Laws,
    Point,
    Program,
    abaqus_stiffness,
    abaqus_stress,
    cycle,
    history,
    rotation,
    saint_venant,
)

from input_texts import POISSONS_RATIO, YOUNGS_MODULUS
from neml2.aoti import Model
from support import Compile, metadata


def follow(point: Point, strains: np.ndarray) -> None:
    for old, new in pairwise(strains):
        point.step(DT, old, new - old)


@pytest.mark.parametrize(("text", "model", "states"), [(RATES, "update", 1), (STRAINS, "model", 7)])
def test_a_cycle_is_that_of_the_library(laws: Laws, umat: Program, compiled: Compile, text, model, states):
    strains = cycle()
    point = Point(umat(laws(text, model, *ALL)), states)
    follow(point, strains)
    found = point.results()
    wanted = history(Model(metadata(compiled(text, model, *TANGENT))), strains, DT * np.arange(len(strains)))
    assert max(abs(w[0]["equivalent_plastic_strain"]).max() for w in wanted) > 1e-3
    for have, (outputs, tangent) in zip(found, wanted, strict=True):
        stress, stiffness = abaqus_stress(outputs["stress"]), abaqus_stiffness(tangent)
        np.testing.assert_allclose(have.stress, stress, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(have.stiffness, stiffness, rtol=1e-10, atol=1e-8 * abs(stiffness).max())
        state = np.concatenate([np.ravel(v) for n, v in outputs.items() if n != "stress"])
        np.testing.assert_allclose(have.statev, state, rtol=1e-12, atol=1e-15)
        assert have.pnewdt == 1e30


def test_the_tangent_is_that_of_finite_differences(laws: Laws, umat: Program):
    strains, size = cycle()[:9], 1e-7
    point = Point(umat(laws(STRAINS, "model", *ALL)), 7)
    follow(point, strains[:-1])
    step = strains[-1] - strains[-2]
    point.step(DT, strains[-2], step, trial=True)
    for k in range(6):
        for sign in (1, -1):
            moved = np.zeros(6)
            moved[[0, 1, 2, 5, 4, 3][k]] = sign * size / (1 if k < 3 else 2**0.5)
            point.step(DT, strains[-2], step + moved, trial=True)
    *_, here = point.results()[:8]
    moved = point.results()[8:]
    slopes = np.stack([(moved[2 * k].stress - moved[2 * k + 1].stress) / (2 * size) for k in range(6)], -1)
    assert here.statev[0] > 1e-3
    np.testing.assert_allclose(here.stiffness, slopes, rtol=2e-6, atol=1e-6 * abs(slopes).max())
    assert abs(here.stiffness - here.stiffness.T).max() < 1e-8 * abs(here.stiffness).max()


def test_plane_strain_is_the_solid_without_its_shears(laws: Laws, umat: Program):
    strains = cycle()
    strains[:, 2:5] = 0
    results = []
    for shears in (3, 1):
        point = Point(umat(laws(STRAINS, "model", *ALL)), 7, shears=shears)
        follow(point, strains)
        results.append(point.results()[-1])
    solid, plane = results
    np.testing.assert_array_equal(plane.stress, solid.stress[:4])
    np.testing.assert_array_equal(plane.statev, solid.statev)
    np.testing.assert_array_equal(plane.stiffness, solid.stiffness[:4, :4])


def test_states_turn_with_the_material(laws: Laws, umat: Program):
    """A point that is turned by the host between two steps ends up as one that was turned all the time."""
    R = rotation([0.3, -0.8, 0.5])
    strains = cycle()[:9]
    turned = np.stack([mandel(R @ full(s) @ R.T) for s in strains])
    program = umat(laws(STRAINS, "model", *ALL))
    plain, other = Point(program, 7), Point(program, 7)
    follow(plain, turned)
    follow(other, strains[:5])
    for k in range(4, 8):
        other.step(DT, turned[k], turned[k + 1] - turned[k], rotation=R if k == 4 else None)
    want, have = plain.results()[-1], other.results()[-1]
    np.testing.assert_allclose(have.stress, want.stress, rtol=1e-10)
    np.testing.assert_allclose(have.statev, want.statev, rtol=1e-10, atol=1e-14)


def test_frames_of_calculix(laws: Laws, umat: Program):
    """CalculiX turns stress and strain back, so that states are not to be turned, and F is its stretch."""
    R = rotation([0.3, -0.8, 0.5])
    program, strains = umat(laws(STRAINS, "model", *ALL)), cycle()[:5]
    results = []
    for name, turn in (("@ABAQUSNL_LAW", R), ("@ABAQUS_LAW", None)):
        point = Point(program, 7, name=name)
        for old, new in pairwise(strains):
            point.step(DT, old, new - old, rotation=turn)
        results.append(point.results()[-1])
    np.testing.assert_array_equal(results[0].statev, results[1].statev)

    U = np.array([[1.1, 0.2, -0.05], [0.2, 0.95, 0.1], [-0.05, 0.1, 1.05]])
    point = Point(umat(laws(FINITE, "pk2", *ALL)), 0, name="@ABAQUSNL_LAW")
    point.step(1.0, np.zeros(6), np.zeros(6), F1=R @ U)
    np.testing.assert_allclose(point.results()[0].stress, in_abaqus(saint_venant(U)[2]), rtol=1e-12)
    point.name = "@ABAQUS_LAW"
    assert "whose name begins with @ABAQUSNL_" in point.run().stderr


def full(m: np.ndarray) -> np.ndarray:
    a, b, c = m[3:] / 2**0.5
    return np.array([[m[0], c, b], [c, m[1], a], [b, a, m[2]]])


def mandel(a: np.ndarray) -> np.ndarray:
    return np.array([a[0, 0], a[1, 1], a[2, 2], *(2**0.5 * np.array([a[1, 2], a[0, 2], a[0, 1]]))])


@pytest.mark.parametrize("measure", ["cauchy", "pk1", "pk2"])
def test_finite_strain_gives_cauchy_stress_and_the_spatial_stiffness(laws: Laws, umat: Program, measure):
    F = np.array([[1.1, 0.2, -0.05], [0.02, 0.95, 0.1], [-0.1, 0.04, 1.05]])
    size = 1e-6
    point = Point(umat(laws(FINITE, measure, *ALL)), 0)
    zero = np.zeros(6)
    point.step(1.0, zero, zero, F1=F, trial=True)
    moves = []
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        for sign in (1, -1):
            D = np.zeros((3, 3))
            D[i, j] += sign * size / 2
            D[j, i] += sign * size / 2
            moves.append((np.eye(3) + D) @ F)
            point.step(1.0, zero, zero, F1=moves[-1], trial=True)
    here, *moved = point.results()
    sigma = saint_venant(F)[2]
    np.testing.assert_allclose(here.stress, in_abaqus(sigma), rtol=1e-12)
    J = np.linalg.det(F)
    taus = [m.stress * np.linalg.det(f) for m, f in zip(moved, moves, strict=True)]
    slopes = np.stack([(taus[2 * k] - taus[2 * k + 1]) / (2 * size * J) for k in range(6)], -1)
    np.testing.assert_allclose(here.stiffness, slopes, rtol=1e-7, atol=1e-7 * abs(slopes).max())


def in_abaqus(a: np.ndarray) -> np.ndarray:
    return np.array([a[0, 0], a[1, 1], a[2, 2], a[0, 1], a[0, 2], a[1, 2]])


FAILING = STRAINS.replace("type = Newton\n", "type = Newton\n    max_its = 2\n")


@pytest.mark.parametrize(("given", "left"), [(1e30, 0.25), (-1.0, 0.25), (0.1, 0.1)])
def test_a_point_that_fails_asks_for_a_smaller_step(laws: Laws, umat: Program, given, left):
    """CalculiX presets PNEWDT with -1, others with a large number; what another point asked for stays if it is less."""
    point = Point(umat(laws(FAILING, "model", *ALL)), 7)
    point.step(DT, np.zeros(6), 1e3 * cycle()[3], pnewdt=given)
    (called,) = point.results()
    assert called.pnewdt == left
    assert not called.stress.any() and not called.statev.any()
    E, nu = YOUNGS_MODULUS, POISSONS_RATIO  # CalculiX factors the stiffness before it looks at PNEWDT
    np.testing.assert_allclose(np.linalg.inv(called.stiffness)[3:, 3:], np.eye(3) * 2 * (1 + nu) / E, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.inv(called.stiffness)[0, :3], np.array([1, -nu, -nu]) / E, rtol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"states": 6}, "UMAT law, element 1, point 1: NSTATV = 6, expected 7: ask for as many with *DEPVAR"),
        ({"properties": ()}, "NPROPS = 0, expected 1: *USER MATERIAL, CONSTANTS=1"),
        ({"properties": (1.0, 2.0)}, "NPROPS = 2, expected 1"),
        ({"normals": 2, "shears": 1}, "NDI = 2, NSHR = 1: expected 3 and 3 (solids) or 3 and 1"),
        ({"normals": 3, "shears": 2}, "NDI = 3, NSHR = 2: expected"),
    ],
)
def test_a_job_that_cannot_be_ends_with_a_sentence(laws: Laws, umat: Program, wrong, said):
    program = umat(laws(STRAINS, "model", *ALL, "-p", "eta"))
    point = Point(**{"program": program, "states": 7, "properties": (100.0,), **wrong})
    point.step(DT, np.zeros(6), cycle()[1])
    done = point.run()
    assert done.returncode == 1 and said in done.stderr and not done.stdout


def test_properties_temperature_and_fields(laws: Laws, umat: Program):
    """Hooke's law of the strain without thermal expansion and swelling, with a modulus among the properties."""
    point = Point(umat(laws(SWELLING, "model", *ALL, "-p", "E")), 6, (2e5,))
    strain = np.array([1e-3, -2e-4, 0, 1e-4, 2e-4, 3e-4])
    point.step(1.0, np.zeros(6), strain, temperature=(300.0, 50.0), fields=((0.0,), (1e-2,)))
    (called,) = point.results()
    E, nu = 2e5, 0.25
    elastic = strain - (1e-5 * (350 - 293) + 0.01 * 0.1) * np.array([1, 1, 1, 0, 0, 0])
    stress = E / (1 + nu) * (elastic + nu / (1 - 2 * nu) * elastic[:3].sum() * np.array([1, 1, 1, 0, 0, 0]))
    np.testing.assert_allclose(called.stress, abaqus_stress(stress), rtol=1e-13)


SWELLING = """\
[Models]
  [thermal]
    type = ThermalEigenstrain
    temperature = 'T'
    eigenstrain = 'thermal_strain'
    reference_temperature = 293
    CTE = 1e-5
  []
  [unit]
    type = ScalarToDiagonalSR2
    input = 'swelling'
    output = 'swelling_strain'
  []
  [elastic]
    type = SR2LinearCombination
    from = 'strain thermal_strain swelling_strain'
    to = 'elastic_strain'
    weights = '1 -1 -0.1'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '1 0.25'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'elastic_strain'
  []
  [model]
    type = ComposedModel
    models = 'thermal unit elastic elasticity'
    additional_outputs = 'elastic_strain'
  []
[]
"""

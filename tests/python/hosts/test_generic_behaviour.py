# SPDX-License-Identifier: MIT
"""MFront's generic behaviour, loaded by a C program: what its symbols say, and histories in all hypotheses."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from host_programs import (
    ABAQUS,
    ALL,
    DT,
    FINITE,
    MATRIX,
    RATES,
    STRAINS,
    TANGENT,
    Laws,
    cycle,
    history,
    line,
    saint_venant,
)

from neml2.aoti import Model
from support import Compile, metadata

PLANE = ("PlaneStrain", "GeneralisedPlaneStrain", "Axisymmetrical")
CONSISTENT = (4.0, 0.0, 0.0)


@dataclass
class Called:
    code: int
    rdt: float
    forces: np.ndarray
    internal: np.ndarray
    K: np.ndarray  # all of it


class Point:
    """One material point of a host that calls a generic behaviour; `forces`: numbers of stress."""

    def __init__(self, program: Path, folder: Path, internal: int, hypothesis: str = "Tridimensional", forces: int = 6):
        self.command = [program, folder / "liblaw.so", "law", hypothesis, str(forces)]
        self.forces, self.internal = forces, internal
        self.properties: list[float] = []
        self.start: list[float] = [0.0] * internal
        self.external: list[float] = [293.15]
        self.steps: list[str] = []

    def step(self, dt, gradients, external=(293.15,), K=CONSISTENT, trial=False) -> None:
        self.steps.append(line([float(trial), dt, *K, *external, *gradients]))

    def run(self) -> tuple[list[str], list[Called], str]:
        """What the symbols say, what the calls left behind, and messages."""
        numbers = [line(self.properties), line(self.start), line(self.external)]
        text = "\n".join([str(len(self.steps)), *numbers, *self.steps, ""])
        done = subprocess.run(self.command, input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said = [x for x in done.stdout.splitlines() if not x.startswith("=")]
        called = []
        for words in (x.split()[1:] for x in done.stdout.splitlines() if x.startswith("=")):
            r = np.array(words, float)
            parts = np.split(r[2:], [self.forces, self.forces + self.internal])
            called.append(Called(int(r[0]), r[1], *parts))
        return said, called, done.stderr


def follow(point: Point, strains: np.ndarray, size: int = 6) -> None:
    for strain in strains[1:]:
        point.step(DT, strain[ABAQUS][:size])


def test_its_symbols_say_what_it_is(laws: Laws, behaviour: Path):
    folder = laws(STRAINS, "model", *ALL, "-p", "eta")
    point = Point(behaviour, folder, 7)
    point.properties = [100.0]
    said, _, _ = point.run()
    assert {"mfront_mkt 1", "api_version 1", "BehaviourType 1", "BehaviourKinematic 1", "SymmetryType 0"} <= set(said)
    assert "block Stress Strain" in said and "law law" in said
    assert "Gradients Strain 1" in said and "ThermodynamicForces Stress 1" in said
    internal = [x for x in said if x.startswith("Internal")]
    assert internal == ["InternalStateVariables equivalent_plastic_strain 0", "InternalStateVariables plastic_strain 1"]
    assert [x for x in said if x.startswith("Material")] == ["MaterialProperties update.residual.rate.eta 0"]
    point.command[3] = "PlaneStrain"
    plane, _, _ = point.run()
    assert "InternalStateVariables plastic_strain 397" in plane  # an array of 6: no component is lost


@pytest.mark.parametrize(("text", "model", "internal"), [(RATES, "update", 1), (STRAINS, "model", 7)])
def test_a_cycle_is_that_of_the_library(laws: Laws, behaviour: Path, compiled: Compile, text, model, internal):
    strains = cycle()
    point = Point(behaviour, laws(text, model, *ALL), internal)
    follow(point, strains)
    _, found, _ = point.run()
    wanted = history(Model(metadata(compiled(text, model, *TANGENT))), strains, DT * np.arange(len(strains)))
    for have, (outputs, tangent) in zip(found, wanted, strict=True):
        assert (have.code, have.rdt) == (1, 10)
        np.testing.assert_allclose(have.forces, outputs["stress"][ABAQUS], rtol=1e-12, atol=1e-11)
        K = tangent[np.ix_(ABAQUS, ABAQUS)]
        np.testing.assert_allclose(have.K[:36].reshape(6, 6), K, rtol=1e-10, atol=1e-8 * abs(K).max())
        np.testing.assert_allclose(have.internal[0], outputs["equivalent_plastic_strain"], rtol=1e-12)
        if internal == 7:
            np.testing.assert_allclose(have.internal[1:], outputs["plastic_strain"][ABAQUS], rtol=1e-12, atol=1e-15)
        assert (have.K[36:] == -7).all()


@pytest.mark.parametrize(
    ("hypothesis", "size"), [*((p, 4) for p in PLANE), ("AxisymmetricalGeneralisedPlaneStrain", 3)]
)
def test_fewer_dimensions_are_the_solid_without_some_strains(laws: Laws, behaviour: Path, hypothesis, size):
    strains = cycle()
    strains[:, [m for i, m in enumerate(ABAQUS) if i >= size]] = 0
    folder = laws(STRAINS, "model", *ALL)
    solid, other = Point(behaviour, folder, 7), Point(behaviour, folder, 7, hypothesis, size)
    follow(solid, strains)
    follow(other, strains, size)
    want, have = solid.run()[1][-1], other.run()[1][-1]
    np.testing.assert_array_equal(have.forces, want.forces[:size])
    np.testing.assert_array_equal(have.internal, want.internal)
    np.testing.assert_array_equal(have.K[: size**2].reshape(size, size), want.K[:36].reshape(6, 6)[:size, :size])


def test_what_K_asks_for(laws: Laws, behaviour: Path):
    """No operator: K is left alone. A prediction: K alone is written; of a point at rest, Hooke's law."""
    point = Point(behaviour, laws(STRAINS, "model", *ALL), 7)
    strain = cycle()[3][ABAQUS]
    point.step(DT, strain, K=(0.0, 0.0, 0.0), trial=True)
    point.step(DT, strain, K=(-1.0, 0.0, 0.0), trial=True)
    point.step(DT, strain, trial=True)
    _, (plain, predicted, whole), _ = point.run()
    assert (plain.K[3:] == -7).all() and plain.internal[0] > 0
    np.testing.assert_array_equal(plain.forces, whole.forces)
    assert not predicted.forces.any() and not predicted.internal.any()
    E, nu = 1e5, 0.3
    G, lame = E / 2 / (1 + nu), E * nu / (1 + nu) / (1 - 2 * nu)
    hooke = 2 * G * np.eye(6)
    hooke[:3, :3] += lame
    np.testing.assert_allclose(predicted.K[:36].reshape(6, 6), hooke, rtol=1e-12, atol=1e-9)


def test_a_point_that_fails_asks_for_a_smaller_step(laws: Laws, behaviour: Path):
    folder = laws(STRAINS.replace("type = Newton\n", "type = Newton\n    max_its = 2\n"), "model", *ALL)
    point = Point(behaviour, folder, 7)
    point.step(DT, 1e3 * cycle()[3][ABAQUS])
    _, (failed,), said = point.run()
    assert (failed.code, failed.rdt) == (-1, 0.25)
    assert not failed.forces.any() and not failed.internal.any()
    assert said == "law: 1 of 1 points of model did not converge\n"


F0 = np.array([[1.05, 0.1, 0], [0.02, 1.01, 0.03], [0, 0.04, 0.98]])
F1 = np.array([[1.1, 0.2, -0.05], [0.02, 0.95, 0.1], [-0.1, 0.04, 1.05]])


def six(a: np.ndarray) -> np.ndarray:
    return np.array([a[0, 0], a[1, 1], a[2, 2], *(2**0.5 * np.array([a[0, 1], a[0, 2], a[1, 2]]))])


def stresses(F: np.ndarray) -> dict[float, np.ndarray]:
    """By K[1], as a behaviour gives them."""
    S, P, sigma = saint_venant(F)
    return {0.0: six(sigma), 1.0: six(S), 2.0: P.reshape(9)[MATRIX]}


@pytest.mark.parametrize("measure", ["cauchy", "pk1", "pk2"])
def test_finite_strain_in_all_measures(laws: Laws, behaviour: Path, measure):
    """Stress and operator as asked for by K[1] and K[2], whatever measure the model has."""
    folder = laws(FINITE, measure, *ALL)
    sigma = six(saint_venant(F1)[2])
    for kind, wanted in stresses(F1).items():
        point = Point(behaviour, folder, 0, forces=len(wanted))
        point.step(DT, F0.reshape(9)[MATRIX], K=(0.0, kind, 0.0))
        for operator in (0.0, 1.0, 2.0, 3.0):
            point.step(DT, F1.reshape(9)[MATRIX], K=(4.0, kind, operator), trial=True)
        said, (_, *found), _ = point.run()
        assert {"BehaviourType 2", "BehaviourKinematic 3", "block Stress DeformationGradient"} <= set(said)
        for have, slopes in zip(found, operators(), strict=True):
            np.testing.assert_allclose(have.forces, wanted, rtol=1e-11, atol=1e-12 * abs(sigma).max())
            K = have.K[: slopes.size].reshape(slopes.shape)
            np.testing.assert_allclose(K, slopes, rtol=1e-6, atol=1e-7 * abs(slopes).max())


def operators() -> list[np.ndarray]:
    """d sigma/dF, d S/dE, d P/dF and d tau/dG with F = G F0, by finite differences of the closed form."""
    size = 1e-6

    def slopes(function, directions):
        columns = [(function(F1 + size * d) - function(F1 - size * d)) / (2 * size) for d in directions]
        return np.stack(columns, -1)

    units = [np.eye(9)[MATRIX[k]].reshape(3, 3) for k in range(9)]
    symmetric = [np.eye(3)[[i]].T @ np.eye(3)[[j]] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
    symmetric = [(d + d.T) / (2 if k < 3 else 2**0.5) for k, d in enumerate(symmetric)]
    back = np.linalg.inv(F1).T
    return [
        slopes(lambda F: six(saint_venant(F)[2]), units),
        slopes(lambda F: six(saint_venant(F)[0]), [back @ d for d in symmetric]),
        slopes(lambda F: saint_venant(F)[1].reshape(9)[MATRIX], units),
        slopes(lambda F: six(saint_venant(F)[2]) * np.linalg.det(F), [d @ F0 for d in units]),
    ]

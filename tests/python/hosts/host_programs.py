# SPDX-License-Identifier: MIT
"""What tests of laws for hosts share: materials, histories, and a point of a UMAT."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from input_texts import viscoplasticity, viscoplasticity_in_rates
from neml2.aoti import Model

FOLDER = Path(__file__).parent
ALL = tuple(x for name in ("c", "umat", "mfront") for x in ("--interface", name))
TANGENT = ("-d", "stress:strain", "--backend", "native")
DT = 0.5

RATES = viscoplasticity_in_rates(5, 100, 2.5, 1000)
"""A material whose old stress is a state: the model `update`."""
STRAINS = viscoplasticity(5, 100, 2.5, 1000)
"""The same material with the plastic strain for a state: the model `model`."""

Laws = Callable[..., Path]
Program = Callable[[Path], Path]

ABAQUS = [0, 1, 2, 5, 4, 3]
"""Place in Mandel notation of the components 11, 22, 33, 12, 13, 23, which MFront has in the same order."""
ENGINEERING = np.array([1, 1, 1, 2**0.5, 2**0.5, 2**0.5])
MATRIX = [0, 4, 8, 1, 3, 2, 6, 5, 7]
"""Place in a row-major matrix of MFront's components 11, 22, 33, 12, 21, 13, 31, 23, 32."""

FINITE = """\
[Models]
  [E]
    type = GreenLagrangeStrain
    deformation_gradient = 'F'
    strain = 'E'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '200 0.25'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'E'
    stress = 'pk2_stress'
  []
  [pk2]
    type = ComposedModel
    models = 'E elasticity'
  []
  [S]
    type = SR2ToR2
    input = 'pk2_stress'
    output = 'S'
  []
  [P]
    type = R2Multiplication
    A = 'F'
    B = 'S'
    to = 'pk1_stress'
  []
  [pk1]
    type = ComposedModel
    models = 'E elasticity S P'
  []
  [tau]
    type = R2Multiplication
    A = 'pk1_stress'
    B = 'F'
    transpose_B = true
    to = 'tau_full'
  []
  [tau_sym]
    type = R2ToSR2
    input = 'tau_full'
    output = 'tau'
  []
  [J]
    type = R2Determinant
    input = 'F'
    determinant = 'J'
  []
  [inverse]
    type = ScalarMultiplication
    from = 'J'
    reciprocal = true
    to = 'inverse_J'
  []
  [sigma]
    type = SR2LinearCombination
    from = 'tau'
    to = 'stress'
    weights = 'inverse_J'
  []
  [cauchy]
    type = ComposedModel
    models = 'E elasticity S P tau tau_sym J inverse sigma'
  []
[]
"""
"""Saint-Venant and Kirchhoff's law: the models `cauchy`, `pk1` and `pk2` give that stress."""

LAME, SHEAR = 80.0, 80.0


def saint_venant(F: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S, P and sigma of the law above."""
    E = (F.T @ F - np.eye(3)) / 2
    S = LAME * np.trace(E) * np.eye(3) + 2 * SHEAR * E
    return S, F @ S, F @ S @ F.T / np.linalg.det(F)


@dataclass
class Point:
    """One material point in a host that calls UMAT."""

    program: Path
    states: int
    properties: tuple[float, ...] = ()
    shears: int = 3
    normals: int = 3
    name: str = "MATERIAL"
    statev: list[float] | None = None
    time: float = 0.0
    steps: list[str] = field(default_factory=list)

    def step(self, dt: float, strain: np.ndarray, increment: np.ndarray, *, trial: bool = False, F0=None, F1=None,
             temperature=(0.0, 0.0), fields=((), ()), rotation=None, pnewdt: float = 1e30) -> None:  # fmt: skip
        """A call; strains in Mandel notation."""
        count = self.normals + self.shears
        strains = [(x * ENGINEERING[np.arange(6)])[ABAQUS][:count] for x in (strain, increment)]
        matrices = [np.eye(3) if a is None else a for a in (F0, F1, rotation)]
        self.steps += [
            line([pnewdt, 0.0, self.time, dt, *temperature], f"{int(trial)} "),
            line([*fields[0], *fields[1], *strains[0], *strains[1]]),
            line([x for a in matrices for x in a.T.reshape(-1)]),
        ]
        self.fields = len(fields[0])
        if not trial:
            self.time += dt

    def run(self) -> subprocess.CompletedProcess[str]:
        first = (
            f"{self.normals} {self.shears} {self.states} {len(self.properties)} {self.fields} {len(self.steps) // 3}"
        )
        state = self.statev or [0.0] * self.states
        text = "\n".join([self.name, first, line(self.properties), line(state), *self.steps, ""])
        return subprocess.run([self.program], input=text, capture_output=True, text=True)

    def results(self) -> list[Called]:
        done = self.run()
        assert done.returncode == 0, done.stderr
        n = self.normals + self.shears
        rows = [np.array(line.split(), float) for line in done.stdout.splitlines()]
        return [
            Called(r[0], r[1 : 1 + n], r[1 + n : 1 + n + self.states], r[1 + n + self.states :].reshape(n, n).T)
            for r in rows
        ]


@dataclass
class Called:
    """What a call left behind: in Abaqus' order, and stiffness[i, j] = d stress_i / d gamma_j."""

    pnewdt: float
    stress: np.ndarray
    statev: np.ndarray
    stiffness: np.ndarray


def line(values, start: str = "") -> str:
    return start + " ".join(f"{v:.17g}" for v in values)


def rotation(vector: list[float]) -> np.ndarray:
    """Rodrigues' formula: by the length of a vector about its direction."""
    angle = np.linalg.norm(vector)
    x, y, z = np.array(vector) / (angle or 1)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K


def abaqus_stress(m: np.ndarray) -> np.ndarray:
    return (m / ENGINEERING)[ABAQUS]


def abaqus_stiffness(c: np.ndarray) -> np.ndarray:
    return (c / np.outer(ENGINEERING, ENGINEERING))[np.ix_(ABAQUS, ABAQUS)]


def cycle(steps: int = 24) -> np.ndarray:
    """Strains of a loop far into plasticity and back, with shear, in Mandel notation: (steps + 1, 6), from zero."""
    angle = np.linspace(0, 2.5 * np.pi, steps + 1)
    way = np.array([1, -0.4, -0.45, 0.3, -0.2, 0.5])
    return 8e-3 * np.sin(angle)[:, None] * way + 3e-3 * (1 - np.cos(angle))[:, None] * np.roll(way, 2)


def history(model: Model, strains: np.ndarray, times: np.ndarray, **forces: np.ndarray):
    """The same by way of the library: outputs and stiffness after each step."""
    tensors = {name: torch.tensor(v) for name, v in {"strain": strains, "t": times, **forces}.items()}
    shapes = model.input_base_shapes
    old = {p.old: torch.zeros(shapes[p.old], dtype=torch.float64) for p in model.history()}
    found = []
    for k in range(1, len(times)):
        for pair in model.history():
            if pair.current in tensors:
                old[pair.old] = tensors[pair.current][k - 1]
        given = old | {name: v[k] for name, v in tensors.items() if name in shapes}
        outputs, blocks = model.jacobian(given)
        old |= {p.old: outputs[p.current] for p in model.history() if p.state}
        found.append(({n: v.numpy() for n, v in outputs.items()}, blocks["stress"]["strain"].numpy()))
    return found

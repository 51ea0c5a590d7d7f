# SPDX-License-Identifier: MIT
"""Input files of implicit models, and independent solutions of what they state."""

import math

import neml2
from input_texts import POISSONS_RATIO, YOUNGS_MODULUS, decay, viscoplasticity
from neml2.hit import load_string

DECAY = (
    decay("k")
    + """
[Tensors]
  [k]
    type = Python
    expr = 'Scalar(torch.tensor(-2.0, dtype=torch.float64))'
  []
[]
"""
)

SY, H, ETA, N = 50.0, 2000.0, 200.0, 3.0
G = YOUNGS_MODULUS / (2 * (1 + POISSONS_RATIO))

PERZYNA = viscoplasticity(SY, ETA, N, H)


def load(text: str, *overrides: str) -> neml2.hit.InputFile:
    return load_string(text, additional_args=overrides)


def scalar_perzyna_step(trial: float, ep_old: float, dt: float) -> tuple[float, float]:
    """Equivalent stress and strain after one backward Euler step from the trial equivalent stress, by bisection of
    d ep = c dt <c (q - 3 G d ep - sy - H ep)/eta>^n, with c = sqrt(2/3) from f = c (q - sy - H ep)."""
    c = math.sqrt(2 / 3)

    def excess(dg: float) -> float:
        over = trial - 3 * G * dg - SY - H * (ep_old + dg)
        return dg - c * dt * (c * max(over, 0.0) / ETA) ** N

    low, high = 0.0, max((trial - SY) / (3 * G), 0.0) + 1e-12
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    dg = 0.5 * (low + high)
    return trial - 3 * G * dg, ep_old + dg


def uniaxial_deviatoric(amplitude: float) -> list[float]:
    """Mandel components of a deviatoric strain whose equivalent elastic stress is 3 G amplitude."""
    return [amplitude, -0.5 * amplitude, -0.5 * amplitude, 0.0, 0.0, 0.0]


def von_mises(stress: list[float]) -> float:
    mean = sum(stress[:3]) / 3
    deviator = [s - mean for s in stress[:3]] + list(stress[3:])
    return math.sqrt(1.5 * sum(s * s for s in deviator))

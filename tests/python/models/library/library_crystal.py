# SPDX-License-Identifier: MIT
"""Examples of the models of crystal plasticity."""

from __future__ import annotations

import numpy as np
from library_examples import Example, axial, full, mandel, rotation_matrix

EXAMPLES: list[Example] = []

# Three systems of one plane: {111}<110> would make twelve, and graphs four times as long.
CRYSTAL = """
[Data]
  [crystal_geometry]
    type = HexagonalCrystal
    lattice_parameter = 3.2
    c_over_a = 1.6
    slip_families = 'basal'
  []
[]
"""
DIRECTIONS = [[0.5, np.sqrt(0.75), 0], [-0.5, np.sqrt(0.75), 0], [-1.0, 0, 0]]
SCHMID = np.array([np.outer(d, [0, 0, 1.0]) for d in DIRECTIONS])
NSLIP = len(SCHMID)
POSITIVE = (0.2, 1.5)


def example(type_, options, reference, domain=None, **more):
    EXAMPLES.append(Example(type_, options, reference, domain or {}, **more))


def on_systems(type_, reference, leads=(), domain=None, options=None, **more):
    """Of a model that knows the slip systems; `leads` inputs have a value for each of them."""
    axes = dict.fromkeys(leads, (NSLIP,))
    example(type_, options or {}, reference, domain, leads=axes, sections=CRYSTAL, **more)


on_systems("ResolvedShear", lambda s, R: np.array([np.sum(full(s) * (R @ A @ R.T)) for A in SCHMID]))
for name, part in (
    ("PlasticDeformationRate", mandel),
    ("PlasticVorticity", axial),
    ("PlasticSpatialVelocityGradient", lambda m: m),
):
    # `part` of R A R^T is R (part of A) R^T for any R.
    on_systems(
        name,
        lambda R, rates, part=part: part(sum(rate * (R @ A @ R.T) for rate, A in zip(rates, SCHMID, strict=True))),
        leads=["slip_rates"],
    )
example(
    "PowerLawSlipRule",
    {"gamma0": "0.3", "n": "4.5"},
    lambda tau, g, g0, n: g0 * abs(tau / g) ** n * np.sign(tau),
    {"slip_strengths": POSITIVE},
)
example(
    "PowerLawSlipRule",
    {"gamma0": "0.3", "n": "4.5"},
    lambda tau, g, g0, n: g0 * abs(tau / g) ** n * np.sign(tau),
    {"slip_strengths": POSITIVE},
    lead=(3,),
    label="systems",
)
example("SumSlipRates", {}, lambda rates: np.abs(rates).sum(), lead=(3,))
on_systems("SingleSlipStrengthMap", lambda h, c: np.full(NSLIP, h + c), options={"constant_strength": "2"})
example(
    "DislocationObstacleStrengthMap",
    {"constant_strength": "2", "alpha": "0.3", "mu": "5", "b": "0.7"},
    lambda rho, c, alpha, mu, b: c + alpha * mu * b * np.sqrt(rho),
    {"dislocation_density": POSITIVE},
)
example("LinearSingleSlipHardeningRule", {"hardening_slope": "3"}, lambda h, rate, slope: slope * rate)
example(
    "VoceSingleSlipHardeningRule",
    {"initial_slope": "3", "saturated_hardening": "1.7"},
    lambda h, rate, slope, saturated: slope * (1 - h / saturated) * rate,
)
example(
    "PerSlipForestDislocationEvolution",
    {"k1": "3", "k2": "1.7"},
    lambda rho, rate, k1, k2: (k1 * np.sqrt(rho) - k2 * rho) * abs(rate),
    {"dislocation_density": POSITIVE},
)


def skew_matrix(w):
    return np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])


def elastic_strain_rate(e, d, w, dp):
    W, E = skew_matrix(w), full(e)
    return mandel(full(d) - full(dp) + W @ E - E @ W)


def lattice_spin(e, w, dp, wp):
    D, E = full(dp), full(e)
    return axial(skew_matrix(w) - skew_matrix(wp) + D @ E - E @ D)


example("ElasticStrainRate", {}, elastic_strain_rate)
example("OrientationRate", {}, lattice_spin)
example("FixOrientation", {}, lambda r, *_: r if r @ r < 1 else -r / (r @ r), {"input": (0.1, 1.1)})
example(
    "FixOrientation", {"threshold": "0.3"}, lambda r: r if r @ r < 0.3 else -r / (r @ r), {"input": (0.1, 1.0)},
    label="threshold",
)  # fmt: skip

STIFFNESS = """
  [C]
    type = Python
    expr = 'SSR4(torch.diag(torch.arange(1.0, 7.0, dtype=torch.float64)) + 0.3)'
  []
"""


def interaction(r, t, t_n, C):
    R = rotation_matrix(r)
    M = np.array([mandel((A + A.T) / 2) for A in SCHMID])
    turned = np.array([mandel(R @ full(m) @ R.T) for m in M])
    rotation = np.array([mandel(R @ full(e) @ R.T) for e in np.eye(6)]).T
    return (t - t_n) * turned @ (rotation @ C @ rotation.T) @ turned.T


STEP = {"t": (1.0, 1.5), "t~1": (0.0, 0.5)}
on_systems(
    "SlipSystemElasticInteraction",
    interaction,
    domain={**STEP, "orientation": (-0.4, 0.4)},
    options={"elastic_stiffness_tensor": "C"},
    tensors=STIFFNESS,
)
for label, low in (("small", 0.0), ("large", 0.5)):
    example(
        "CrystalPlasticityStrainPredictor",
        {"threshold": "0.8", "scale": "0.3"},
        lambda d, t, t_n, e, scale, threshold: e + (scale * (t - t_n) * d if np.sqrt(e @ e) < threshold else 0),
        {**STEP, "elastic_strain~1": (low, low + 0.3)},
        label=label,
    )


def scaled_down(F, Fp, scale, threshold):
    stretch = F @ np.linalg.inv(Fp) - np.eye(3)
    if np.linalg.norm((stretch + stretch.T) / 2) <= threshold:
        return Fp
    return np.linalg.inv(np.eye(3) + scale * stretch) @ F


AROUND_ONE = {name: (np.eye(3) - 0.1, np.eye(3) + 0.1) for name in ("F", "Fp~1")}
for label, threshold in (("stretched", "1e-3"), ("relaxed", "2")):
    example(
        "CrystalPlasticityDeformationGradientPredictor",
        {"deformation_gradient": "F", "plastic_deformation_gradient": "Fp", "threshold": threshold},
        scaled_down,
        AROUND_ONE,
        label=label,
    )

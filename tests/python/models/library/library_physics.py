# SPDX-License-Identifier: MIT
"""Examples of reactions, porous flow, phase-field fracture, finite volumes and precipitation."""

from __future__ import annotations

import numpy as np
from library_examples import Array, Example, deviator, frobenius, full

EXAMPLES: list[Example] = []


def example(type_, options, reference, domain=None, **more):
    EXAMPLES.append(Example(type_, options, reference, domain or {}, **more))


def tensors(**values: list[float]) -> str:
    """[Tensors] blocks of values along one site axis."""
    block = "  [{}]\n    type = Python\n    expr = 'Scalar({}, sub_batch_ndim=1)'\n  []\n"
    return "".join(block.format(name, numbers) for name, numbers in values.items())


POSITIVE = (0.2, 2.0)
FRACTION = (0.1, 0.4)

# ---- chemical reactions ----------------------------------------------------------------------------------------------

KINETICS = {"coef": "0.7", "order": "1.5"}
example(
    "AvramiErofeevNucleation",
    KINETICS,
    lambda a, k, n: k * (1 - a) * (-np.log(1 - a)) ** n,
    {"conversion_degree": (0.1, 0.9)},
)
example("ContractingGeometry", KINETICS, lambda a, k, n: k * (1 - a) ** n, {"conversion_degree": (0.1, 0.9)})
example(
    "CylindricalChannelGeometry",
    {},
    lambda s, p: (np.sqrt(1 - s - p), np.sqrt(1 - s)),
    {"solid_fraction": FRACTION, "product_fraction": FRACTION},
)
example(
    "DiffusionLimitedReaction",
    {"diffusion_coefficient": "0.3", "molar_volume": "2", "product_dummy_thickness": "0.05"},
    lambda ri, ro, Rl, Rs, D: 2 * D * Rl * Rs / 2 * ro / (ro - ri + 0.05),
    {"product_inner_radius": (0.2, 0.4), "solid_inner_radius": (0.6, 0.9)},
)
example(
    "EffectiveVolume",
    {"mass_fractions": "a b", "reference_mass": "3", "densities": "2 0.5"},
    lambda a, b, M, r, s: M * (a / r + b / s),
    bad=(({"densities": "1"}, "densities"), ({"mass_fractions": "", "densities": ""}, "mass_fractions")),
)
example(
    "EffectiveVolume",
    {"open_volume_fraction": "o", "mass_fractions": "a b", "reference_mass": "3", "densities": "2 0.5"},
    lambda o, a, b, M, r, s: M / (1 - o) * (a / r + b / s),
    {"o": FRACTION},
    label="open",
)

# ---- porous flow -----------------------------------------------------------------------------------------------------

example("AdvectiveStress", {"coefficient": "2"}, lambda F, P, c: -c / 3 * np.sum(P * F))
example(
    "AdvectiveStress",
    {"js": "s", "jt": "t", "coefficient": "2"},
    lambda s, t, F, P, c: -c / 3 * s ** (-5 / 3) * t ** (-2 / 3) * np.sum(P * F),
    {"s": POSITIVE, "t": POSITIVE},
    label="volumes",
)


def brooks(S, Pt, p):
    return Pt * S ** (-1 / p)


def genuchten(S, a, m):
    return a * (S ** (-1 / m) - 1) ** (1 - m)


def continued(curve, slope):
    """`curve`, below 0.3 with a logarithm that goes on linearly."""
    return lambda S, *p: curve(S, *p) if S >= 0.3 else curve(0.3, *p) * np.exp((S - 0.3) * slope(*p) / curve(0.3, *p))


BEYOND = (
    ({"log_extension": "true", "transition_saturation": "0"}, "transition_saturation"),
    ({"transition_saturation": "1.5"}, "transition_saturation"),
)
SATURATION = {"effective_saturation": (0.1, 0.9)}
LOG = {"log_extension": "true", "transition_saturation": "0.3"}
BROOKS = {"threshold_pressure": "2", "exponent": "1.7"}
GENUCHTEN = {"a": "2", "m": "0.7"}
WIDE = {"effective_saturation": (-0.5, 0.9)}
example("BrooksCoreyCapillaryPressure", BROOKS, brooks, SATURATION, bad=BEYOND)
example(
    "BrooksCoreyCapillaryPressure",
    BROOKS | LOG,
    continued(brooks, lambda Pt, p: -Pt / p * 0.3 ** (-1 / p - 1)),
    WIDE,
    label="log",
)
example("VanGenuchtenCapillaryPressure", GENUCHTEN, genuchten, SATURATION, bad=BEYOND)
example(
    "VanGenuchtenCapillaryPressure",
    GENUCHTEN | LOG,
    continued(genuchten, lambda a, m: -a / m * (1 - m) * (0.3 ** (-1 / m) - 1) ** (-m) * 0.3 ** (-1 / m - 1)),
    WIDE,
    label="log",
)
example(
    "EffectiveSaturation",
    {"residual_saturation": "0.1", "max_fraction": "0.8"},
    lambda phi, r, top: (phi / top - r) / (1 - r),
)
POROUS = {"reference_permeability": "3", "reference_porosity": "0.4"}
POROSITY = {"porosity": (0.1, 0.9)}
example(
    "ExponentialLawPermeability", {**POROUS, "scale": "2"}, lambda p, K0, p0, a: K0 * np.exp(a * (p0 - p)), POROSITY
)
example(
    "KozenyCarmanPermeability",
    {**POROUS, "n": "1.5", "m": "2.5"},
    lambda p, K0, p0, n, m: K0 * (p / (1 - p)) ** n / (p0 / (1 - p0)) ** m,
    POROSITY,
)
example("PowerLawPermeability", {**POROUS, "exponent": "1.5"}, lambda p, K0, p0, e: K0 * (p / p0) ** e, POROSITY)

# ---- phase-field fracture --------------------------------------------------------------------------------------------

PHASE = {"phase": (0.0, 0.95)}
example("CrackGeometricFunctionAT1", {}, lambda d: d)
example("CrackGeometricFunctionAT2", {}, lambda d: d**2)
example("PowerDegradationFunction", {"power": "2.5", "eta": "0.1"}, lambda d, p: (1 - d) ** p * 0.9 + 0.1, PHASE)


def rational(d, p, b1, b2, b3):
    f, Q = (1 - d) ** p, b1 * d * (1 + b2 * d + b2 * b3 * d**2)
    return f / (f + Q) * 0.9 + 0.1


RATIONAL = {"power": "2", "b1": "1.4", "b2": "0.5", "b3": "0.3"}
example("RationalDegradationFunction", {**RATIONAL, "eta": "0.1"}, rational, PHASE)

MODULI = {"coefficients": "3 2", "coefficient_types": "BULK_MODULUS SHEAR_MODULUS"}


def energy(volume: float, E: Array, K: float, G: float) -> float:
    return K / 2 * volume**2 + G * frobenius(deviator(E))


WRONG = (
    ({"decomposition": "SPECTRAL"}, "decomposition"),
    ({"coefficient_types": "BULK_MODULUS POISSONS_RATIO"}, "coefficient_types"),
    ({"coefficients": "3"}, "coefficient_types"),
    ({"coefficient_types": "YOUNGS_MODULUS POISSONS_RATIO", "coefficients": "E nu"}, "coefficients"),
)
example(
    "LinearIsotropicStrainEnergyDensity",
    MODULI,
    lambda E, K, G: (energy(np.trace(full(E)), E, K, G), 0.0),
    bad=WRONG,
)
example(
    "LinearIsotropicStrainEnergyDensity",
    {**MODULI, "decomposition": "VOLDEV"},
    lambda E, K, G: (energy(max(np.trace(full(E)), 0), E, K, G), K / 2 * min(np.trace(full(E)), 0) ** 2),
    label="split",
)

# ---- finite volumes --------------------------------------------------------------------------------------------------

GRID = tensors(q=[2.0, 4.0, 7.0], x=[0.0, 0.5, 1.5], e=[0.0, 0.2, 1.0, 2.0], w=[0.5, 2.0], d=[1.5, 0.7], bc=[3.0, 5.0])
example(
    "LinearlyInterpolateToCellEdges",
    {"cell_values": "q", "cell_centers": "x", "cell_edges": "e"},
    lambda q, x, e: np.array([np.interp(e[k + 1], x[k : k + 2], q[k : k + 2]) for k in range(len(x) - 1)]),
    lead=(3,),
    tensors=GRID,
    bad=(
        ({"cell_edges": "x"}, "cell_edges"),
        ({"cell_centers": "1"}, "cell_centers"),
        ({"cell_centers": "1 2"}, "cell_edges"),
    ),
)
example(
    "FiniteVolumeGradient",
    {"dx": "w", "prefactor": "d"},
    lambda u, w, d: -d * np.diff(u) / w,
    lead=(3,),
    tensors=GRID,
)
example("FiniteVolumeGradient", {"dx": "0.5"}, lambda u, w, d: -d * np.diff(u) / w, lead=(3,), label="uniform")
example(
    "FiniteVolumeUpwindedAdvectiveFlux",
    {},
    lambda u, v: v * np.where(v > 0, u[:-1], u[1:]),
    lead=(4,),
    leads={"v_edge": (3,)},
)
SIDE = (({"side": "top"}, "side"),)
example("FiniteVolumeAppendBoundaryCondition", {"bc_value": "2"}, lambda u, b: np.append(b, u), lead=(3,), bad=SIDE)
example(
    "FiniteVolumeAppendBoundaryCondition",
    {"bc_value": "bc", "side": "right", "input": "v"},
    lambda u, b: np.append(u, b),
    lead=(3,),
    tensors=GRID,
    label="right",
)
example(
    "DumpInSmallestBin",
    {"cell_centers": "x"},
    lambda m, x: np.append(m, np.zeros(len(x) - 1)),
    lead=(3,),
    leads={"magnitude": ()},
    tensors=GRID,
    bad=(({"cell_centers": "0.5 two"}, "cell_centers"),),
)
example(
    "SmearedDeltaSource",
    {"width": "0.6", "cell_centers": "x"},
    lambda m, c, w, x: m / (w * np.sqrt(2 * np.pi)) * np.exp(-(((x - c) / w) ** 2) / 2),
    lead=(3,),
    leads={"magnitude": (), "location": ()},
    tensors=GRID,
)
example("SemiInfiniteCoordinateTransform", {"shift": "1.5"}, lambda x, s: x / (x + s), {"coordinate": (0.0, 5.0)})

# ---- precipitation ---------------------------------------------------------------------------------------------------

LISTS = {"mu": "chemical_potentials", "eq": "equilibrium_potentials"}
example(
    "ChemicalGibbsFreeEnergyDifference",
    {"concentration_differences": "a b", LISTS["mu"]: "2 3", LISTS["eq"]: "0.5 1"},
    lambda a, b, m, n, o, p: a * (m - o) + b * (n - p),
    bad=(({LISTS["mu"]: "1"}, LISTS["mu"]), ({LISTS["eq"]: "1 2 3"}, LISTS["eq"])),
)
SPECIES = {"current_concentrations": "a b", "equilibrium_concentrations": "0.5 0.8", "gas_constant": "1.3"}
SOLUTE = {"a": POSITIVE, "b": POSITIVE, "temperature": POSITIVE}
example(
    "IdealSolutionVolumetricDrivingForce",
    {**SPECIES, "weights": "0.3 0.7"},
    lambda T, a, b, R, x, y, v, w: R * T * (v * np.log(a / x) + w * np.log(b / y)),
    SOLUTE,
    bad=(
        ({"weights": "1 2 3"}, "weights"),
        ({"equilibrium_concentrations": "1"}, "equilibrium_concentrations"),
    ),
)
example(
    "IdealSolutionVolumetricDrivingForce",
    SPECIES,
    lambda T, a, b, R, x, y, w: R * T * w * (np.log(a / x) + np.log(b / y)),
    SOLUTE,
    label="defaults",
)
example(
    "CurrentConcentration",
    {"precipitate_volume_fractions": "a b", "initial_concentration": "0.2", "precipitate_concentrations": "0.7 0.9"},
    lambda a, b, x0, x, y: (x0 - a * x - b * y) / (1 - a - b),
    {"a": FRACTION, "b": FRACTION},
    bad=(({"precipitate_concentrations": "0.7"}, "precipitate_concentrations"),),
)
example(
    "PrecipitateVolumeFraction",
    {"radius": "R"},
    lambda n, R: 4 / 3 * np.pi * np.sum(R**3 * n),
    lead=(3,),
    tensors=tensors(R=[0.5, 1.0, 2.0]),
)
example(
    "PrecipitateVolumeFraction", {"radius": "0.7"}, lambda n, R: 4 / 3 * np.pi * R**3 * n.sum(), lead=(3,), label="one"
)
example(
    "ProjectedDiffusivitySum",
    {"far_field_concentrations": "a b", "concentration_differences": "0.5 0.7", "diffusivities": "2 3"},
    lambda a, b, d, e, D, E: d**2 / (D * a) + e**2 / (E * b),
    SOLUTE,
    bad=(
        ({"concentration_differences": "1"}, "concentration_differences"),
        ({"diffusivities": "1"}, "diffusivities"),
    ),
)
BINS = tensors(R=[0.5, 1.0, 2.0])
example(
    "RateLimitedPrecipitateGrowthRate",
    {"radius": "R", "equilibrium_concentration": "0.1", "concentration_difference": "0.4", "diffusivity": "3"},
    lambda x, R, eq, dx, D: D / R * (x - eq) / dx,
    lead=(3,),
    leads={"current_concentration": ()},
    tensors=BINS,
)
GROWTH = {"projected_diffusivity_sum": POSITIVE, "temperature": (300.0, 600.0)}
example(
    "SFFKPrecipitationGrowthRate",
    {"radius": "R", "gibbs_free_energy_difference": "5", "gas_constant": "8.3"},
    lambda s, T, R, dg, Rg: dg / (R * Rg * T * s),
    GROWTH,
    lead=(3,),
    leads={"projected_diffusivity_sum": (), "temperature": ()},
    tensors=BINS,
)
example(
    "NucleationBarrierAndCriticalRadius",
    {"surface_energy": "0.2", "total_gibbs_free_energy_difference": "4", "molar_volume": "2"},
    lambda g, dg, V: (16 * np.pi / 3 * g**3 * V**2 / dg**2, 2 * g * V / dg),
)
ATOMS = {"molar_volume": "2", "avogadro_number": "6"}
example(
    "ZeldovichFactor",
    {"surface_energy": "0.2", "boltzmann_constant": "0.01", **ATOMS},
    lambda R, T, g, V, Na, k: V / (2 * np.pi * Na * R**2) * np.sqrt(g / (k * T)),
    {"critical_radius": POSITIVE, "temperature": (300.0, 600.0)},
)
example(
    "KineticFactor",
    ATOMS,
    lambda R, s, V, Na: 4 * np.pi * (Na / V) ** (4 / 3) * R**2 / s,
    {"critical_radius": POSITIVE, "projected_diffusivity_sum": POSITIVE},
)
example(
    "NucleationFluxMagnitude",
    {"nucleation_site_density": "7", "boltzmann_constant": "0.01"},
    lambda Z, b, G, T, N, k: Z * b * N * np.exp(-G / (k * T)),
    {"temperature": (300.0, 600.0)},
)

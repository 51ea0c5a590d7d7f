# SPDX-License-Identifier: MIT
"""Examples of the solid-mechanics models."""

from __future__ import annotations

import numpy as np
from library_examples import (
    EPS,
    Example,
    deviator,
    frobenius,
    full,
    full4,
    isotropic,
    mandel,
    mandel4,
    rotation_matrix,
)

EXAMPLES: list[Example] = []


def example(type_, options, reference, domain=None, **more):
    EXAMPLES.append(Example(type_, options, reference, domain or {}, **more))


# ---- elasticity ------------------------------------------------------------------------------------------------------

I3 = np.eye(3)
MODULI = {"coefficients": "0.3 7", "coefficient_types": "POISSONS_RATIO YOUNGS_MODULUS"}
WRONG_MODULI = (
    ({"coefficient_types": "POISSONS_RATIO LAME_LAMBDA"}, "coefficient_types"),
    ({"coefficient_types": "POISSONS_RATIO YOUNG_MODULUS"}, "coefficient_types"),
    ({"coefficients": "1 2 3"}, "coefficient_types"),
)


def hooke(strain, E, nu):
    lam, mu = E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
    return mandel(lam * np.trace(full(strain)) * I3 + 2 * mu * full(strain))


def compliance(stress, E, nu):
    return mandel(((1 + nu) * full(stress) - nu * np.trace(full(stress)) * I3) / E)


example("LinearIsotropicElasticity", MODULI, hooke, bad=WRONG_MODULI)
example("LinearIsotropicElasticity", {**MODULI, "compliance": "true"}, compliance, label="compliance")
example("LinearIsotropicElasticity", {**MODULI, "rate_form": "true", "strain": "e"}, hooke, label="rate")


def isotropic_stiffness(lam, mu):
    d = np.eye(3)
    return mandel4(
        lam * np.einsum("ij,kl->ijkl", d, d) + mu * (np.einsum("ik,jl->ijkl", d, d) + np.einsum("il,jk->ijkl", d, d))
    )


example(
    "IsotropicElasticityTensor",
    MODULI,
    lambda E, nu: isotropic_stiffness(E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))),
    bad=WRONG_MODULI,
)
example(
    "IsotropicElasticityTensor",
    {"coefficients": "5 2", "coefficient_types": "BULK_MODULUS SHEAR_MODULUS"},
    lambda K, G: isotropic_stiffness(K - 2 * G / 3, G),
    label="bulk",
)


def cubic(G, E, nu):
    c = np.zeros((3, 3, 3, 3))
    scale = E / ((1 + nu) * (1 - 2 * nu))
    for i in range(3):
        for j in range(3):
            c[i, i, j, j] = scale * ((1 - nu) if i == j else nu)
            if i != j:
                c[i, j, i, j] = c[i, j, j, i] = G
    return mandel4(c)


example(
    "CubicElasticityTensor",
    {"coefficients": "2 7 0.3", "coefficient_types": "SHEAR_MODULUS YOUNGS_MODULUS POISSONS_RATIO"},
    cubic,
    bad=(({"coefficients": "7 0.3", "coefficient_types": "YOUNGS_MODULUS POISSONS_RATIO"}, "coefficient_types"),),
)

STIFFNESS = cubic(2.0, 7.0, 0.3) + 0.1 * np.cos(np.arange(36.0)).reshape(6, 6)


def general_elasticity(strain, r, T):
    R = rotation_matrix(r)
    turned = np.einsum("ia,jb,kc,ld,abcd->ijkl", R, R, R, R, full4(T))
    return mandel(np.einsum("ijkl,kl->ij", turned, full(strain)))


example(
    "GeneralElasticity",
    {"elastic_stiffness_tensor": " ".join(map(repr, STIFFNESS.reshape(-1).tolist()))},
    general_elasticity,
)
example("GreenLagrangeStrain", {}, lambda F: mandel((F.T @ F - I3) / 2))

# ---- eigendeformations -----------------------------------------------------------------------------------------------

EXPANSION = {"reference_temperature": "300", "CTE": "1e-2"}
HOT = {"temperature": (250.0, 900.0)}
example("ThermalEigenstrain", EXPANSION, lambda T, T0, a: isotropic(a * (T - T0)), HOT)
example(
    "VolumeChangeEigenstrain",
    {"reference_volume": "1.3"},
    lambda V, V0: isotropic(np.cbrt(V / V0) - 1),
    {"volume": (0.5, 2.0)},
)
example("PhaseTransformationEigenstrain", {}, lambda f, dv: isotropic(f * dv))
example("ThermalDeformationJacobian", EXPANSION, lambda T, T0, a: 1 + a * (T - T0), HOT)
example(
    "SwellingAndPhaseChangeDeformationJacobian",
    {"phase_fraction": "0.3", "swelling_coefficient": "0.7", "reference_volume_difference": "0.2"},
    lambda f, c, a, dv: 1 + f * (a * c + (1 - c) * dv),
)
example("VolumeAdjustDeformationGradient", {}, lambda F, J: F / np.cbrt(J), {"jacobian": (0.5, 2.0)})

# ---- yield functions and flow ----------------------------------------------------------------------------------------

example("IsotropicMandelStress", {}, lambda s: s)
example("YieldFunction", {"yield_stress": "5"}, lambda s, sy: np.sqrt(2 / 3) * (s - sy))
example(
    "YieldFunction",
    {"yield_stress": "5", "isotropic_hardening": "h"},
    lambda s, h, sy: np.sqrt(2 / 3) * (s - sy - h),
    label="hardening",
)

POROUS = {"yield_stress": "2", "q1": "1.5", "q2": "1.1", "q3": "2.25"}


def gtn(q, p, phi, sf, q1, q2, q3):
    return q**2 / sf**2 + 2 * q1 * phi * np.cosh(q2 * p / (2 * sf)) - 1 - q3 * phi**2


example("GTNYieldFunction", POROUS, gtn)
example(
    "GTNYieldFunction",
    {**POROUS, "isotropic_hardening": "h"},
    lambda q, p, phi, h, sy, *qs: gtn(q, p, phi, sy + h, *qs),
    label="hardening",
)
example("OlevskySinteringStress", {"surface_tension": "2", "particle_radius": "0.5"}, lambda f, g, r: 3 * g * f**2 / r)
example("GursonCavitation", {}, lambda d, f: (1 - f) * np.trace(full(d)))
example(
    "AssociativeJ2FlowDirection",
    {},
    lambda M: mandel(1.5 * deviator(M) / np.sqrt(1.5 * (frobenius(deviator(M)) + EPS))),
)
example("AssociativePlasticFlow", {}, lambda g, N: g * N)
example("AssociativeIsotropicPlasticHardening", {}, lambda g, N: -g * N)
example("AssociativeKinematicPlasticHardening", {}, lambda g, N: -g * N)
PERZYNA = {"reference_stress": "2", "exponent": "3.5"}
example("PerzynaPlasticFlowRate", PERZYNA, lambda f, eta, n: (max(f, 0.0) / eta) ** n)

# ---- hardening -------------------------------------------------------------------------------------------------------

example("LinearIsotropicHardening", {"hardening_modulus": "4"}, lambda e, K: K * e)
example(
    "VoceIsotropicHardening",
    {"saturated_hardening": "4", "saturation_rate": "1.5"},
    lambda e, R, d: -R * np.expm1(-d * e),
)
for sign in (1, -1):
    example(
        "SlopeSaturationVoceIsotropicHardening",
        {"saturated_hardening": f"{sign * 4}", "initial_hardening_rate": "1.5"},
        lambda g, h, R, t, sign=sign: sign * t * (1 - h / R) * g,
        label="softening" if sign < 0 else "",
    )
example("LinearKinematicHardening", {"hardening_modulus": "4"}, lambda K, H: H * K)
example("FredrickArmstrongPlasticHardening", {"C": "3", "g": "0.7"}, lambda r, N, X, C, g: (2 / 3 * C * N - g * X) * r)
example(
    "ChabochePlasticHardening",
    {"C": "3", "g": "0.7", "A": "0.4", "a": "2.5"},
    lambda r, N, X, C, g, A, a: (2 / 3 * C * N - g * X) * r - A * (frobenius(full(X)) + EPS) ** ((a - 1) / 2) * X,
)
RECOVERY = {"tau": "0.8", "n": "2.5"}
example("PowerLawIsotropicHardeningStaticRecovery", RECOVERY, lambda h, tau, n: -np.sign(h) * (abs(h) / tau) ** n)
example(
    "PowerLawKinematicHardeningStaticRecovery",
    RECOVERY,
    lambda X, tau, n: -((np.sqrt(frobenius(full(X)) + EPS) / tau) ** (n - 1)) * X / tau,
)
for T in ("Scalar", "SR2"):
    example(
        f"{T}TwoStageThermalAnnealing",
        {"T1": "1", "T2": "2", "tau": "0.3"},
        lambda r, b, T, T1, T2, tau: r if T < T1 else np.zeros_like(b) if T < T2 else -b / tau,
        {"temperature": (0.0, 3.0)},
    )
example(
    "LinearIsotropicElasticJ2TrialStressUpdate",
    MODULI,
    lambda s, e, en, E, nu: s - 3 * E / (2 * (1 + nu)) * (e - en),
    bad=WRONG_MODULI,
)

# ---- Kocks-Mecking ---------------------------------------------------------------------------------------------------

CONSTANTS = {"k": "1.2", "b": "0.9"}
RATE = {"strain_rate": (0.1, 2.0), "temperature": (0.5, 2.0)}
example(
    "KocksMeckingActivationEnergy",
    {"shear_modulus": "3", "eps0": "4", **CONSTANTS},
    lambda T, e, mu: 1.2 * T / (mu * 0.9**3) * (np.log(4) - np.log(e)),
    RATE,
)
example("KocksMeckingIntercept", {"A": "-2", "B": "0.3", "C": "-1"}, lambda A, B, C: (C - B) / A)
example("KocksMeckingYieldStress", {"C": "-1", "shear_modulus": "3"}, lambda C, mu: mu * np.exp(C))
example(
    "KocksMeckingRateSensitivity",
    {"A": "-2", "shear_modulus": "3", **CONSTANTS},
    lambda T, A, mu: -mu * 0.9**3 / (1.2 * T * A),
    RATE,
)
example(
    "KocksMeckingFlowViscosity",
    {"A": "-2", "B": "0.3", "shear_modulus": "3", "eps0": "4", **CONSTANTS},
    lambda T, A, B, mu: mu * np.exp(B + np.log(4) * 1.2 * T * A / (mu * 0.9**3)),
    RATE,
)
example(
    "KocksMeckingFlowSwitch",
    {"g0": "0.2", "sharpness": "2"},
    lambda g, ri, rd, g0: ri + (rd - ri) / (1 + np.exp(-4 * (g - g0))),
)

# ---- viscoelasticity -------------------------------------------------------------------------------------------------

example("LinearDashpot", {"viscosity": "2"}, lambda s, eta: s / eta)
example("KelvinVoigtElement", {"modulus": "3", "viscosity": "2"}, lambda e, r, K, eta: K * e + eta * r)
example(
    "ZenerElement",
    {"equilibrium_modulus": "3", "maxwell_modulus": "2", "maxwell_viscosity": "0.5"},
    lambda e, v, E, M, eta: ((E + M) * e - M * v, (e - v) * M / eta),
)
example(
    "WiechertElement",
    {"equilibrium_modulus": "3", "modulus_1": "2", "viscosity_1": "0.5", "modulus_2": "4", "viscosity_2": "1.5"},
    lambda e, a, b, E, E1, n1, E2, n2: ((E + E1 + E2) * e - E1 * a - E2 * b, E1 / n1 * (e - a), E2 / n2 * (e - b)),
)
example(
    "BurgersElement",
    {"maxwell_modulus": "3", "maxwell_viscosity": "0.5", "kelvin_modulus": "2", "kelvin_viscosity": "1.5"},
    lambda e, m, k, M, nM, K, nK: (M * (e - m - k), M / nM * (e - m - k), (M * (e - m - k) - K * k) / nK),
)

# ---- cohesive interfaces ---------------------------------------------------------------------------------------------

example("ModeMixity", {}, lambda n, t: t / n if n > 0 else 0.0, {"normal_separation": (-1.0, 3.0)})


def camanho_davila(dn, beta, K, N, S):
    # The criterion (K d_n / N)^2 + (K d_s / S)^2 = 1 on the ray d_s = beta d_n; regularised where that is exact.
    if dn <= 0:
        return S / K
    root = np.sqrt((S / K) ** 2 + (beta * N / K) ** 2 + EPS)
    return N / K * S / K * np.hypot(1, beta) / root


example(
    "CamanhoDavilaCriticalSeparation",
    {"mode_mixity": "0.6", "penalty_stiffness": "5", "normal_strength": "2", "shear_strength": "3"},
    camanho_davila,
)

FAILURE = {
    "mode_mixity": "0.6",
    "critical_separation": "0.3",
    "penalty_stiffness": "5",
    "mode_I_fracture_toughness": "1.2",
    "mode_II_fracture_toughness": "2.1",
    "shear_strength": "3",
    "eta": "1.7",
}


def benzeggagh_kenane(dn, beta, dc, K, G1, G2, S, eta):
    share = beta**2 / (1 + beta**2)
    return 2 / (K * dc) * (G1 + (G2 - G1) * (share + EPS) ** eta) if dn > 0 else 2 * G2 / S


def power_law(dn, beta, dc, K, G1, G2, S, eta):
    energy = (1 / G1**eta + (beta**2 / G2 + EPS) ** eta) ** (-1 / eta)
    return 2 * (1 + beta**2) / (K * dc) * energy if dn > 0 else 2 * G2 / S


example("BenzeggaghKenaneFullSeparation", FAILURE, benzeggagh_kenane)
example("PowerLawFullSeparation", FAILURE, power_law)


def bilinear(dm, dn, p, s1, s2, old, K, dc, df):
    trial = 0.0 if dm < dc else 1.0 if dm >= df else df / dm * (dm - dc) / (df - dc)
    d = max(trial, old)
    return K * (1 - d) * np.array([dn, s1, s2]) + K * p * np.array([1, 0, 0]), d


SEPARATION = {"effective_separation": (0.0, 1.2), "damage~1": (0.0, 0.6), "normal_penetration": (-1.0, 0.0)}
BILINEAR = {"penalty_stiffness": "5", "critical_separation": "0.3", "full_separation": "0.9"}
example("BilinearTraction", BILINEAR, lambda dm, dn, *a: bilinear(dm, dn, 0.0, *a), SEPARATION)
example("BilinearTraction", {**BILINEAR, "normal_penetration": "p"}, bilinear, SEPARATION, label="penetration")

LINEAR = {"normal_stiffness": "5", "tangential_stiffness": "3"}
example("OrthotropicLinearTraction", LINEAR, lambda dn, a, b, Kn, Kt, Kp: np.array([Kn * dn, Kt * a, Kt * b]))
example(
    "OrthotropicLinearTraction",
    {**LINEAR, "normal_penetration": "p", "penalty_stiffness": "7"},
    lambda dn, p, a, b, Kn, Kt, Kp: np.array([Kn * dn + Kp * p, Kt * a, Kt * b]),
    label="penetration",
)


def salehani_irani(dn, p, s1, s2, old, ln, lt, Tn, Tt, Kp):
    d = max(1 - np.exp(-dn / ln - (s1**2 + s2**2) / (2 * lt**2)), old)
    shear = np.sqrt(np.e) * Tt / lt
    return (1 - d) * np.array([np.e * Tn * dn / ln, shear * s1, shear * s2]) + Kp * p * np.array([1, 0, 0]), d


EXPONENTIAL = {
    "normal_characteristic_length": "0.4",
    "tangential_characteristic_length": "0.7",
    "normal_strength": "2",
    "shear_strength": "3",
}
OPEN = {"normal_separation": (0.0, 1.0), "damage~1": (0.0, 0.6)}
example("SalehaniIraniTraction", EXPONENTIAL, lambda dn, *a: salehani_irani(dn, 0.0, *a), OPEN)
example(
    "SalehaniIraniTraction",
    {**EXPONENTIAL, "normal_penetration": "p", "penalty_stiffness": "7"},
    salehani_irani,
    OPEN,
    label="penetration",
)

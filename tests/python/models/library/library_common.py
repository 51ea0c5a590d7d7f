# SPDX-License-Identifier: MIT
"""Examples of the common models."""

from __future__ import annotations

import numpy as np
from library_examples import (
    EPS,
    Example,
    axial,
    deviator,
    frobenius,
    full,
    isotropic,
    mandel,
    rotation_matrix,
    table,
    table2,
    turned,
)

EXAMPLES: list[Example] = []


def example(type_, options, reference, domain=None, **more):
    EXAMPLES.append(Example(type_, options, reference, domain or {}, **more))


TIME = {"t": (1.0, 2.0), "t~1": (0.0, 0.5)}

for T in ("Scalar", "SR2", "R2", "Vec"):
    example(
        f"{T}BackwardEulerTimeIntegration", {"variable": "x"}, lambda s, sn, t, tn, rate: s - sn - (t - tn) * rate, TIME
    )
    example(f"{T}VariableRate", {"variable": "x"}, lambda v, vn, t, tn: (v - vn) / (t - tn), TIME)
for T in ("Scalar", "SR2", "R2"):
    example(
        f"{T}ForwardEulerTimeIntegration",
        {"variable": "x", "old_variable": "y", "rate": "z"},
        lambda sn, t, tn, rate: sn + (t - tn) * rate,
        TIME,
    )

TURN = {"r": (-0.4, 0.4), "r~1": (-0.4, 0.4), "t": (1.0, 1.5), "t~1": (0.0, 0.5)}


def nominally_turned(w, r):
    """With the squared angle where the angle belongs."""
    m = w @ w
    p = w * (np.tan(m / 2) / (2 * m * np.cos(m / 2)) if m > 1e-5 else 0.25 + 5 * m * m / 96)
    length = np.sqrt(p @ p)
    return turned(p / length * 4 * np.arctan(length) if length else p, r)


for label, turn in (("", nominally_turned), ("exact", turned)):
    example(
        "WR2ImplicitExponentialTimeIntegration",
        {"variable": "r", "exact": "true" if label else "false"},
        lambda s, sn, t, tn, w, turn=turn: s - turn((t - tn) * w, sn),
        TURN,
        label=label,
    )
    example(
        "WR2ExplicitExponentialTimeIntegration",
        {"variable": "r", "exact": "true" if label else "false"},
        lambda sn, t, tn, w, turn=turn: turn((t - tn) * w, sn),
        TURN,
        label=label,
    )

for T in ("Scalar", "SR2"):
    example(
        f"{T}LinearCombination",
        {"from": "a b", "weights": "2 -0.5", "offset": "0.3"},
        lambda a, b, v, w, c: v * a + w * b + c,
        bad=(({"weights": "1 2 3"}, "weights"), ({"from": ""}, "from")),
    )
example("ScalarLinearCombination", {"from": "a b c"}, lambda a, b, c, w, o: w * (a + b + c) + o, label="defaults")
example(
    "ScalarMultiplication",
    {"from": "a b", "scaling": "3", "reciprocal": "false true"},
    lambda a, b, s: s * a / b,
    {"b": (0.5, 2.0)},
    bad=(({"reciprocal": "true false true"}, "reciprocal"), ({"from": ""}, "from")),
)
example(
    "ScalarMultiplication",
    {"from": "a b", "reciprocal": "true"},
    lambda a, b, s: s / a / b,
    {"a": (0.5, 2.0), "b": (0.5, 2.0)},
    label="reciprocal",
)
example(
    "ScalarPNorm",
    {"from": "a b", "exponent": "3", "weights": "2 0.5"},
    lambda a, b, p, v, w: (v * abs(a) ** p + w * abs(b) ** p + EPS) ** (1 / p),
    {"a": (0.2, 2.0), "b": (-2.0, -0.2)},
    bad=(({"weights": "1 2 3"}, "weights"), ({"from": ""}, "from"), ({"exponent": "p"}, "exponent")),
)

example(
    "SR2Invariant",
    {"tensor": "a", "invariant_type": "VONMISES"},
    lambda a: np.sqrt(1.5 * frobenius(deviator(a)) + EPS),
    bad=(({"invariant_type": "I2"}, "invariant_type"), ({"invariant_type": "I3"}, "invariant_type")),
)
example(
    "SR2Invariant",
    {"tensor": "a", "invariant_type": "EFFECTIVE_STRAIN"},
    lambda a: np.sqrt(2 / 3 * frobenius(deviator(a)) + EPS),
    label="strain",
)
example("SR2Invariant", {"tensor": "a", "invariant_type": "I1"}, lambda a: np.trace(full(a)), label="I1")
example("R2Determinant", {}, np.linalg.det)
example("SR2Determinant", {}, lambda a: np.linalg.det(full(a)))
REGULAR = (3 * np.eye(3) - 0.5, 3 * np.eye(3) + 0.5)
example("R2Multiplication", {}, lambda A, B: A @ B)
example(
    "R2Multiplication",
    {"invert_A": "true", "transpose_A": "true", "transpose_B": "true"},
    lambda A, B: np.linalg.inv(A).T @ B.T,
    {"A": REGULAR},
    label="inverse",
)
example("R2Multiplication", {"invert_B": "true"}, lambda A, B: A @ np.linalg.inv(B), {"B": REGULAR}, label="quotient")
example("R2ToSR2", {}, lambda a: mandel((a + a.T) / 2))
example("R2ToWR2", {}, axial)
example("SR2ToR2", {}, full)
example("ScalarToDiagonalSR2", {}, isotropic)
example("RotationMatrix", {}, rotation_matrix)
example("VecComponents", {"to": "a b c"}, lambda v: (v[0], v[1], v[2]), bad=(({"to": "a b"}, "to"),))
example(
    "MixedControlSetup", {}, lambda c, a, b: (np.where(c > 0.5, a, b), np.where(c > 0.5, b, a)), {"control": (0.0, 1.0)}
)
example("MixedControlSetup", {"threshold": "-2"}, lambda c, a, b: (a, b), label="threshold")
example("MacaulaySplit", {}, lambda x: (max(x, 0.0), min(x, 0.0)))
example("IrreversibleScalar", {"to": "y"}, max)
WRONG = ({"a_inequality": "GT"}, "a_inequality"), ({"b_inequality": "<"}, "b_inequality")
example("FBComplementarity", {}, lambda a, b: b - a - np.sqrt(a * a + b * b + EPS), bad=WRONG)
example(
    "FBComplementarity",
    {"a_inequality": "GE", "b_inequality": "LE"},
    lambda a, b: a - b - np.sqrt(a * a + b * b + EPS),
    label="reversed",
)
example("MinMapComplementarity", {}, lambda a, b: min(-a, b), bad=WRONG)
example(
    "MinMapComplementarity", {"a_inequality": "GE", "b_inequality": "LE"}, lambda a, b: min(a, -b), label="reversed"
)

example(
    "ArrheniusParameter",
    {"reference_value": "2", "activation_energy": "3e3", "ideal_gas_constant": "8.314"},
    lambda T, p0, Q: p0 * np.exp(-Q / 8.314 / T),
    {"temperature": (300.0, 900.0)},
)
example(
    "ScalarLinearInterpolation",
    {"abscissa": "0 1 3", "ordinate": "2 5 -1"},
    table,
    {"argument": (-1.0, 4.0)},
    bad=(
        ({"abscissa": "0 1"}, "ordinate"),
        ({"abscissa": "0"}, "abscissa"),
        ({"ordinate": "one two"}, "ordinate"),
    ),
)
WAVE = "torch.sin(torch.arange(1.0, {n}, dtype=torch.float64)).reshape{shape}"
GRID = f"  [z]\n    type = Python\n    expr = '{WAVE}'\n  []\n"
for T, base in (("Scalar", ()), ("Vec", (3,)), ("SR2", (6,))):
    shape = (3, 4, *base)
    example(
        f"{T}BilinearInterpolation",
        {"abscissa1": "0 1 3", "abscissa2": "-1 0 0.5 2", "ordinate": "z"},
        table2,
        {"argument1": (-1.0, 4.0), "argument2": (-2.0, 3.0)},
        tensors=GRID.format(n=np.prod(shape) + 0.5, shape=shape),
        bad=(({"abscissa2": "0 1"}, "ordinate"), ({"abscissa1": "0"}, "abscissa1")),
    )


def clamped(x, x0, x1):
    return np.clip((x - x0) / (x1 - x0), EPS, 1 - EPS)


def bump(x, x0, x1):
    c = clamped(x, x0, x1)
    c = c if c < 0.5 else 1 - c
    return (24 * c**2 - 32 * c**3) / (x1 - x0)


BOUNDS = {"lower_bound": "0.2", "upper_bound": "1.5"}
example(
    "HermiteSmoothStep",
    BOUNDS,
    lambda x, x0, x1: np.polyval([-2, 3, 0, 0], clamped(x, x0, x1)),
    {"argument": (-0.5, 2.0)},
)
example(
    "HermiteSmoothStep",
    {**BOUNDS, "complement": "true"},
    lambda x, x0, x1: 1 - np.polyval([-2, 3, 0, 0], clamped(x, x0, x1)),
    {"argument": (-0.5, 2.0)},
    label="complement",
)
example("SymmetricHermiteInterpolation", BOUNDS, bump, {"argument": (-0.5, 2.0)})

NUMBERS = {"Scalar": 1, "Vec": 3, "MRP": 3, "WR2": 3, "R2": 9, "SR2": 6, "SSR4": 36, "MillerIndex": 3}
for T, count in NUMBERS.items():
    numbers = " ".join(str(0.1 * k + 0.3) for k in range(count))
    example(f"{T}ConstantParameter", {"value": numbers}, lambda value: value)
    example(f"{T}InputParameter", {}, lambda value: value)
    example(f"{T}ParameterToVariable", {"from": numbers}, lambda value: value)
    example(f"Copy{T}", {}, lambda value: value)

example("SR2DynamicMean", {"dim": "0"}, lambda a: a.mean(0), lead=(3,), sites=False)
example("SR2DynamicSum", {"dim": "-1"}, lambda a: a.sum(0), lead=(3,), sites=False)
SITES = {"reduces": "site"}
example("SR2IntermediateMean", SITES, lambda a: a.mean(0), lead=(3,))
example("SR2IntermediateSum", SITES, lambda a: a.sum(0), lead=(3,))
example("SR2IntermediateDiff", {**SITES, "dim": "0"}, lambda a: a[1:] - a[:-1], lead=(3,))
example(
    "SR2IntermediateDiff",
    {**SITES, "dim": "-1", "n": "2"},
    lambda a: a[2:] - 2 * a[1:-1] + a[:-2],
    lead=(4,),
    label="second",
)

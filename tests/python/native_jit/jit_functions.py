# SPDX-License-Identifier: MIT
"""Functions to compile, and what they must give."""

from __future__ import annotations

import shutil
from functools import cache

import numpy as np
import torch

from neml2.native import Newton, NumericalFunction

LAME, G, SY, H = 115e3, 77e3, 200.0, 1500.0
ROOT = np.sqrt(1.5)
CLANG = next((c for c in ("clang++", *(f"clang++-{v}" for v in range(22, 12, -1))) if shutil.which(c)), None)
TRACE = np.array([1.0, 1, 1, 0, 0, 0])
DEVIATOR = np.eye(6) - np.outer(TRACE, TRACE) / 3


def deviator(a: torch.Tensor) -> torch.Tensor:
    return a - a[:3].mean() * torch.tensor(TRACE, dtype=a.dtype)


def hooke(strain: torch.Tensor) -> torch.Tensor:
    """Linear isotropic elasticity, Mandel notation."""
    return LAME * strain[:3].sum() * torch.tensor(TRACE, dtype=strain.dtype) + 2 * G * strain


def radial_return(u, strain, plastic_strain_old, hardening_old):
    """Residual of J2 plasticity with linear hardening: u holds plastic strain (6) and its multiplier (1)."""
    plastic, multiplier = u[:6], u[6]
    trial = 2 * G * deviator(strain - plastic_strain_old)
    trial_size = torch.sqrt((trial * trial).sum())
    flow = trial / trial_size
    yields = ROOT * trial_size > SY + H * hardening_old
    stress = 2 * G * deviator(strain - plastic)
    excess = ROOT * (stress * flow).sum() - SY - H * (hardening_old + multiplier)
    last = torch.where(yields, excess / G, multiplier)
    return torch.cat([plastic - plastic_strain_old - ROOT * multiplier * flow, last.reshape(1)])


def radial_return_solution(strain, plastic_strain_old, hardening_old):
    """Closed form: plastic strain, multiplier, consistent d(plastic strain)/d(strain)."""
    trial = 2 * G * DEVIATOR @ (strain - plastic_strain_old)
    size = np.linalg.norm(trial)
    flow = trial / size
    excess = ROOT * size - SY - H * hardening_old
    if excess <= 0:
        return plastic_strain_old, 0.0, np.zeros((6, 6))
    multiplier = excess / (3 * G + H)
    along = np.outer(flow, flow)
    tangent = 3 * G / (3 * G + H) * along + 2 * G * ROOT * multiplier / size * (DEVIATOR - along)
    return plastic_strain_old + ROOT * multiplier * flow, multiplier, tangent


def rosenbrock(x: torch.Tensor) -> torch.Tensor:
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def everything(x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every operation of the point graph."""
    a, b = x[0], x[1]
    inside = a / (1 + a * a)
    waves = torch.stack([torch.sin(a), torch.cos(b), torch.tan(inside), torch.sinh(a), torch.cosh(b), torch.tanh(a)])
    arcs = torch.stack([torch.asin(inside), torch.acos(inside), torch.atan(a)])
    powers = torch.stack(
        [torch.exp(-a), torch.log(1 + b * b), torch.sqrt(1 + a * a), (1 + b * b) ** y, 1 / (2 + a * a)]
    )
    steps = torch.stack([torch.abs(a), torch.sign(b), torch.floor(a), -b])
    between = ((a > b) & ~(a <= 0)) | (b == a)
    chosen = torch.where(between, a * b, a - b)
    return {"values": torch.cat([waves, arcs, powers, steps]), "chosen": chosen}


@cache
def elastic() -> NumericalFunction:
    return NumericalFunction(hooke, {"strain": (6,)}, ["stress"], name="elastic")


@cache
def banana() -> NumericalFunction:
    return NumericalFunction(rosenbrock, {"x": (2,)}, ["f"], name="rosenbrock")


@cache
def slope() -> NumericalFunction:
    return NumericalFunction(torch.func.grad(rosenbrock), {"x": (2,)}, ["slope"], name="rosenbrock_slope")


@cache
def all_operations(dtype: str = "float64") -> NumericalFunction:
    return NumericalFunction(
        everything, {"x": (2,), "y": ()}, ["values", "chosen"], name=f"everything_{dtype}", dtype=dtype
    )


@cache
def return_map() -> Newton:
    inputs = {"u": (7,), "strain": (6,), "plastic_strain_old": (6,), "hardening_old": ()}
    residual = NumericalFunction(radial_return, inputs, ["r"])
    return Newton(residual, "u", name="return_map", abs_tol=1e-13)


@cache
def lowest() -> Newton:
    return Newton(slope(), "x", name="lowest", abs_tol=1e-12, rel_tol=0.0)


@cache
def deaf() -> Newton:
    """u = a where that is positive, and 0 where it is not; b is given and never read."""
    fn = lambda u, a, b: torch.where(a > 0, u - a, u)  # noqa: E731
    residual = NumericalFunction(fn, {"u": (), "a": (), "b": ()}, "r", name="half_line")
    return Newton(residual, name="deaf")


@cache
def level(search: str | None) -> Newton:
    """Where atan(u) = a, which full steps from afar overshoot ever further."""
    residual = NumericalFunction(lambda u, a: torch.atan(u) - a, {"u": (), "a": ()}, "r", name="arc")
    return Newton(residual, name=f"level_{search}", abs_tol=1e-15, rel_tol=0.0, linesearch_type=search)


def strains(points: int, size: float = 4e-3) -> np.ndarray:
    return np.random.default_rng(points).uniform(-size, size, (points, 6))

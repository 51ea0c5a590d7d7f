# SPDX-License-Identifier: MIT
"""Write plasticity.hpp and plasticity.cpp: stress of J2 plasticity with linear hardening, and its tangent.

python generate.py [FOLDER]
"""

import sys

import torch

from neml2.native import Newton, NumericalFunction, generate_module

G, YIELD_STRESS, HARDENING = 80e3, 250.0, 1000.0  # MPa


def deviatoric_stress(strain, plastic_strain):
    """2 G dev(strain - plastic strain); Mandel components (6)."""
    elastic = strain - plastic_strain
    one = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], dtype=strain.dtype)
    return 2 * G * (elastic - elastic[:3].mean() * one)


def residual(plastic_strain, multiplier, strain, plastic_strain_old, hardening_old):
    """Of one backward Euler step, in the unknowns plastic_strain (6) and multiplier ()."""
    trial = deviatoric_stress(strain, plastic_strain_old)
    flow = trial / torch.sqrt((trial * trial).sum())
    stress = deviatoric_stress(strain, plastic_strain)

    def excess(s, hardening):
        return 1.5**0.5 * (s * flow).sum() - YIELD_STRESS - HARDENING * hardening

    yields = excess(trial, hardening_old) > 0
    consistency = torch.where(yields, excess(stress, hardening_old + multiplier) / G, multiplier)
    return plastic_strain - plastic_strain_old - 1.5**0.5 * multiplier * flow, consistency


equations = NumericalFunction(
    residual,
    inputs={"plastic_strain": 6, "multiplier": (), "strain": 6, "plastic_strain_old": 6, "hardening_old": ()},
    outputs=["flow_rule", "consistency"],
)
return_map = Newton(equations, unknown=["plastic_strain", "multiplier"], name="return_map", abs_tol=1e-12)
stress = NumericalFunction(
    deviatoric_stress, inputs={"strain": 6, "plastic_strain": 6}, outputs=["stress"], name="deviatoric_stress"
)

if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    generate_module("plasticity", [stress, return_map, return_map.jacobian("plastic_strain", "strain")], folder)

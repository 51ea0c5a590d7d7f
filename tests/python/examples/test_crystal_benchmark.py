# SPDX-License-Identifier: MIT
"""The models of benchmarks/crystal, under the first steps of their loads."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

import neml2
from neml2.crystal import equivalents
from neml2.types import MRP, Quaternion
from support import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "crystal"))
from cases import CASES, states

STEPS = 4


@pytest.mark.parametrize("name", CASES)
def test_a_crystal_and_its_equivalent_behave_alike(name):
    """Two crystals whose orientations differ by a symmetry of the lattice, under one load."""
    case = CASES[name]
    if case.extension:
        neml2.load_extension(case.path.parent / case.extension)

    def load(points):
        forces, initial = case.load(points)
        forces = {k: v[:STEPS, :1].expand(STEPS, v.shape[1], *v.shape[2:]).clone() for k, v in forces.items()}
        where = initial if "orientation" in initial else forces
        one = torch.tensor([0.1, -0.2, 0.15], dtype=torch.float64)
        other = MRP.from_quaternion(Quaternion(equivalents(MRP(one), "m-3m").data[5])).data
        pair = torch.stack([one, other])
        where["orientation"] = pair.expand_as(where["orientation"]).clone()
        return forces, initial

    source = neml2.load_input(case.path, ["grains=2"] if case.by_grain else [])
    model = source.get_model("model")
    found = []

    def evaluate(inputs):
        sites = {n: inputs[n].ndim - 1 - len(kind.BASE_SHAPE) for n, kind in model.input_spec.items()}
        with torch.no_grad():
            values = model.evaluate({n: k(inputs[n], sub_batch_ndim=sites[n]) for n, k in model.input_spec.items()})
        found.append({n: v.data for n, v in values.items()})
        return found[-1]

    grains = (2,) if case.by_grain else ()
    by_grain = {"elastic_strain~1", "orientation~1", "slip_hardening~1"}
    shapes = {n: (*(grains if n in by_grain else ()), *k.BASE_SHAPE) for n, k in model.input_spec.items()}
    states(evaluate, shapes, replace(case, load=load), 2, 1)
    compared = ["slip_hardening", "elastic_strain" if case.by_grain else "stress"]
    for k in compared:
        value = found[-1][k]
        one, other = value.unbind(1 if case.by_grain else 0)
        assert float(one.abs().max()) > 0
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)

# SPDX-License-Identifier: MIT
"""Overrides on the stub of a compiled model: promoted parameters take them, what is baked is refused."""

from __future__ import annotations

import pytest
import torch

import neml2
from input_texts import ELASTICITY
from neml2.errors import InvalidOption
from neml2.types import SR2
from support import Compile, run_tool

COMPOSED = (
    ELASTICITY
    + """\
[Models]
  [law]
    type = ComposedModel
    models = 'elasticity'
  []
[]
"""
)
STRAIN = SR2(torch.tensor([1e-3, 0, 0, 0, 0, 0], dtype=torch.float64))
FLAGS = ("--backend", "native", "-p", "elasticity.E", "Models/elasticity/coefficients:='100e3 0.3'", "-q")


@pytest.fixture(scope="module")
def stub(compiled: Compile):
    return compiled(COMPOSED, "law", *FLAGS)


def stress(stub, *overrides: str) -> float:
    return neml2.load_model(stub, "law", additional_args=overrides)(STRAIN)[0].data[0].item()


def test_a_promoted_parameter(stub):
    assert stress(stub, "Models/law/elasticity.E:=50e3") == pytest.approx(stress(stub) / 2)
    done = run_tool("inspect", stub, "law", "Models/law/elasticity.E:=50e3")
    assert "50000" in done.stdout and done.returncode == 0


def test_the_override_of_compile_time_is_in_the_stub_once(stub):
    assert neml2.load_model(stub, "elasticity").get_parameter("E").item() == 100e3


@pytest.mark.parametrize(
    "override, words",
    [
        ("Models/law/elasticity.nu:=0.2", "no promoted parameter of it.*'elasticity.E'.*neml2-compile|-p"),
        ("Models/law/elasticty.E:=1", "did you mean 'elasticity.E'"),
        ("Models/law/elasticity.E:='1 2'", "2 numbers for a parameter of 1"),
        ("Models/law/models:='elasticity'", "no promoted parameter"),
        ("Models/elasticity/coefficients:='1 0.3'", "'law' is compiled, and this value is part of it"),
        ("Models/elasticity/compliance=true", "'law' is compiled"),
    ],
)
def test_what_is_baked(stub, override, words):
    with pytest.raises(InvalidOption, match=words):
        neml2.load_model(stub, "law", post=[override])
    assert run_tool("inspect", stub, "law", override).returncode != 0

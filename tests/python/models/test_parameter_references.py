# SPDX-License-Identifier: MIT
"""What the value of a parameter option may be, and what is said when it is nothing of that."""

from __future__ import annotations

import warnings

import pytest
import torch

from neml2.errors import InvalidOption, SuspiciousReference
from neml2.hit import load_string
from neml2.models import Input, Model, Output, Parameter, register
from neml2.types import R2, SR2, Scalar, Vec


@register("ReferenceZoo")
class ReferenceZoo(Model):
    x = Input(Scalar)
    y = Output(Scalar)
    fixed = Parameter(Scalar, 1.0, name="f")
    free = Parameter(Scalar, 1.0, name="p", promotable=True)
    stress = Parameter(SR2, [0.0] * 6, promotable=True)
    vector = Parameter(Vec, [0.0] * 3)
    matrix = Parameter(R2, torch.eye(3))

    def forward(self, x, fixed, free, stress, vector, matrix):
        return x * fixed * free


OTHERS = """
[Tensors]
  [modulus]
    type = Python
    expr = 'Scalar([1.0, 2.0])'
  []
  [sites]
    type = Python
    expr = 'Scalar(torch.ones(2, 4), sub_batch_ndim=1)'
  []
  [raw32]
    type = Python
    expr = 'torch.ones(3, dtype=torch.float32)'
  []
  [vec]
    type = Python
    expr = 'Vec.fill(1, 2, 3)'
  []
  [seven]
    type = Python
    expr = '7'
  []
[]
[Models]
  [hardening]
    type = VoceIsotropicHardening
    saturated_hardening = 10
    saturation_rate = 1
  []
  [two]
    type = TwoOutputsForTest
  []
[]
"""


@register("TwoOutputsForTest")
class TwoOutputs(Model):
    x = Input(Scalar)
    a = Output(Scalar)
    b = Output(SR2)

    def forward(self, x):
        return x, x * SR2.identity()


def zoo(fields: str) -> Model:
    text = f"[Models]\n[m]\ntype = ReferenceZoo\n{fields}\n[]\n[]\n{OTHERS}"
    return load_string(text, name="p.i").get_model("m")


def parameter(fields: str, name: str) -> torch.Tensor:
    return zoo(fields).get_parameter(name)


def test_numbers():
    assert parameter("fixed = 3", "f").shape == ()
    assert parameter("free = '1 2 3'", "p").tolist() == [1, 2, 3]  # a batch of three
    assert parameter("stress = '1 2 3 4 5 6'", "stress").tolist() == [1, 2, 3, 4, 5, 6]  # raw storage
    assert parameter("vector = '1 2 3'", "vector").shape == (3,)
    assert parameter("matrix = '1 2 3 4 5 6 7 8 9'", "matrix")[1, 0] == 4
    assert torch.isinf(parameter("fixed = inf", "f")) and parameter("fixed = -.5e-3", "f").item() == -0.5e-3
    with pytest.raises(InvalidOption, match="'nan' holds NaN"):
        parameter("fixed = nan", "f")


def test_tensors():
    assert parameter("fixed = modulus", "f").tolist() == [1, 2]
    assert parameter("vector = vec", "vector").tolist() == [1, 2, 3]
    raw = parameter("vector = raw32", "vector")
    assert raw.dtype == torch.float64 and raw.requires_grad and raw.is_leaf
    model = zoo("fixed = sites")
    assert model(torch.ones(2)).sub_batch_ndim == 1 and model(torch.ones(2)).data.shape == (2, 4)


def test_the_output_of_a_model():
    model = zoo("free = hardening")
    assert list(model.input_spec) == ["x", "isotropic_hardening"] and [m.name for m in model.providers] == ["hardening"]
    assert "p" not in dict(model.named_parameters())
    assert model(2.0, 3.0).data.item() == 6.0
    assert list(zoo("free = two.a").input_spec) == ["x", "a"]
    assert zoo("stress = two.b").input_spec == {"x": Scalar, "b": SR2}


def test_a_bare_variable():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = zoo("free = temperature")
    assert list(model.input_spec) == ["x", "temperature"] and model.providers == ()
    assert list(zoo("free = x").input_spec) == ["x"]  # shared with an input of the same type
    assert zoo("free = x")(3.0).data.item() == 9.0


@pytest.mark.parametrize(
    "fields, words",
    [
        ("fixed = temperature", "'temperature' is neither numbers nor the name of a .*can be no variable"),
        ("fixed = modulos", "did you mean 'modulus'"),
        ("fixed = hardening", "'hardening' is neither numbers nor"),
        ("fixed = '1 b'", "'1 b' is neither numbers nor"),
        ("free = '1 b'", "'1 b' is neither numbers nor .*nor one model output or variable"),
        ("fixed = ''", "'' is neither numbers nor"),
        ("fixed = vec", r"\[Tensors/vec\] is a Vec; expected Scalar"),
        ("fixed = seven", "is a int; expected Scalar or a torch.Tensor"),
        ("vector = '1 2'", "Vec needs 3 numbers, 2 are given"),
        ("vector = 1", "Vec needs 3 numbers, 1 are given"),
        ("stress = '1 2 3'", "SR2 needs 6 numbers, 3 are given"),
        ("free = hardning.h", r"'hardning.h' names no block of \[Models\]; did you mean 'hardening'"),
        ("free = hardening.isotropic_hard", "no output 'isotropic_hard'; did you mean 'isotropic_hardening'"),
        ("free = a.b.c", "more than one dot"),
        ("free = two", "'two' has 2 outputs; write 'two.' and one of a, b"),
        ("free = two.b", "'two.b' is a SR2; expected Scalar"),
        ("stress = x", "'x' cannot be a SR2 here: it is a Scalar input"),
    ],
)
def test_bad_references(fields, words):
    with pytest.raises(ValueError, match=words) as info:
        zoo(fields)
    assert str(info.value).startswith("p.i:") and "[Models/m] option" in str(info.value)


@pytest.mark.parametrize(
    "token, words",
    [
        ("hardning", r"p.i:4: \[Models/m\] option 'free': .*did you mean 'hardening' in \[Models\]\?"),
        ("moduluss", r"did you mean 'modulus' in \[Tensors\]\?"),
        ("1/2", r"p.i:4: \[Models/m\] option 'free': '1/2' is no number"),
        ("2e3x", "'2e3x' is no number"),
        ("1,5", "'1,5' is no number"),
    ],
)
def test_a_suspicious_variable_warns_and_is_still_a_variable(token, words):
    with pytest.warns(SuspiciousReference, match=words):
        model = zoo(f"free = {token}")
    assert list(model.input_spec) == ["x", token]


def test_a_variable_that_others_use_as_well_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo("free = hardenin\nx = hardenin")


def test_values_from_python():
    assert ReferenceZoo(fixed=2).get_parameter("f").item() == 2
    assert ReferenceZoo(fixed=Scalar([1.0, 2.0])).get_parameter("f").tolist() == [1, 2]
    assert list(ReferenceZoo(free="temperature").input_spec) == ["x", "temperature"]
    with pytest.raises(ValueError, match="expected Scalar, got Vec"):
        ReferenceZoo(fixed=Vec.fill(1, 2, 3))


def test_a_variable_option_takes_one_name():
    with pytest.raises(ValueError, match=r"p.i:4: \[Models/m\] option 'x': expected one variable name, got 'a b'"):
        zoo("x = 'a b'")


def test_a_model_that_refers_to_itself_through_a_parameter():
    with pytest.raises(RecursionError, match="Models/m -> Models/m"):
        zoo("free = m")

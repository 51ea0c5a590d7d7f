# SPDX-License-Identifier: MIT
"""`neml2-run -p NAME=VALUE`, for models in PyTorch, run compiled, and compiled before."""

import pytest
import torch

from input_texts import decay
from neml2.cli._common import UsageError
from neml2.cli._parameters import set_parameters
from neml2.hit import load_input, load_string
from support import run_tool

DRIVEN = (
    decay()
    + """
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 1, 11, dtype=torch.float64))'
  []
[]
[Drivers]
  [driver]
    type = TransientDriver
    model = 'update'
    prescribed_time = 'times'
    ic_Scalar_names = 'x'
    ic_Scalar_values = '1'
    save_as = 'out.pt'
  []
[]
"""
)


@pytest.fixture(scope="module")
def stub(compiled):
    return compiled(DRIVEN, "update", "--backend", "native", "-p", "rate.weight_0")


@pytest.mark.parametrize("how", ["eager", "driven", "stub"])
def test_backward_euler_with_the_value_given(tmp_path, stub, how):
    (tmp_path / "input.i").write_text(DRIVEN)
    file = stub if how == "stub" else tmp_path / "input.i"
    options = ["--eager"] if how == "eager" else []
    save = f"Drivers/driver/save_as:={tmp_path / 'out.pt'}"
    done = run_tool("run", "-q", file, "-p", "rate.weight_0=-5", save, *options)
    assert done.returncode == 0, done.stderr
    last = torch.load(tmp_path / "out.pt", weights_only=True)["output.10.x"]
    assert last.item() == pytest.approx(1.5**-10, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weight_0", "expected NAME=NUMBER"),
        ("weight_0=x", "expected NAME=NUMBER"),
        ("weight_0=nan", "expected NAME=NUMBER"),
        ("weight_0='1 2'", "2 numbers for a parameter of 1"),
        ("wight_0=1", "did you mean 'weight_0'?"),
    ],
)
def test_what_cannot_be_meant(stub, text, words):
    for model in (load_string(DRIVEN).get_model("update"), load_input(stub).get_model("update")):
        with pytest.raises(UsageError, match=words.replace("?", r"\?")):
            set_parameters(model, [text])


def test_what_is_baked_is_said(stub):
    with pytest.raises(UsageError, match=r"no promoted parameter of the compiled model.*neml2-compile -p offset"):
        set_parameters(load_input(stub).get_model("update"), ["offset=1"])

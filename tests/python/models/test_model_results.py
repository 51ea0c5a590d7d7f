# SPDX-License-Identifier: MIT
"""What `forward` must return, said in one sentence with file and line where it does not."""

from __future__ import annotations

import pytest
import torch

from neml2.models import Input, Model, Output
from neml2.types import SR2, Scalar

D = {"dtype": torch.float64}


class Law(Model):
    x = Input(Scalar)
    y = Output(Scalar)
    z = Output(Scalar)


class Raw(Law):
    def forward(self, x):
        return x, x.data


class One(Law):
    def forward(self, x):
        return x


class Nothing(Law):
    def forward(self, x):
        x * x


class Listed(Law):
    def forward(self, x):
        return [x, x]


class OtherType(Law):
    def forward(self, x):
        return x, SR2(torch.zeros(6, **D))


CASES = {
    Raw: r"returned \(Scalar, Tensor\).*wrap a tensor in its type: Scalar\(x\)",
    One: r"returned \(Scalar\), expected \(y: Scalar, z: Scalar\)",
    Nothing: r"returned \(None\).*is there a return",
    Listed: r"returned \(list\).*return a tuple",
    OtherType: r"returned \(Scalar, SR2\)",
}


@pytest.mark.parametrize("kind", CASES)
def test_a_wrong_result_is_named_at_the_call(kind):
    line = kind.forward.__code__.co_firstlineno
    with pytest.raises(TypeError, match=rf"test_model_results\.py:{line}: forward of {kind.__name__}.*{CASES[kind]}"):
        kind("law")(torch.tensor(1.0, **D))
    with pytest.raises(TypeError, match=rf"test_model_results\.py:{line}: "):
        kind("law").jacobian({"x": torch.tensor(1.0, **D)})


@pytest.mark.parametrize("kind", CASES)
def test_and_by_the_compiler(kind):
    from neml2.compiler.plan.layout import Request
    from neml2.compiler.plan.segments import capture_model

    line = kind.forward.__code__.co_firstlineno
    with pytest.raises(TypeError, match=rf"test_model_results\.py:{line}: forward of {kind.__name__}.*{CASES[kind]}"):
        capture_model(kind("law"), Request())


@pytest.fixture
def usual_dtype():
    """An input file sets the default."""
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


def test_the_unit_test_of_an_input_file_says_the_same(tmp_path, capsys, usual_dtype):
    from neml2.cli import run

    (tmp_path / "my_law.py").write_text(
        "from neml2.models import Input, Model, Output, register\n"
        "from neml2.types import Scalar\n\n\n"
        '@register("RawLawOfThisTest")\n'
        "class Raw(Model):\n"
        "    x = Input(Scalar)\n"
        "    y = Output(Scalar)\n\n"
        "    def forward(self, x):\n"
        "        return x.data\n"
    )
    (tmp_path / "input.i").write_text(
        "[Models]\n  [law]\n    type = RawLawOfThisTest\n    x = 'forces/x'\n    y = 'state/y'\n  []\n[]\n"
        "[Drivers]\n  [unit]\n    type = ModelUnitTest\n    model = 'law'\n"
        "    input_Scalar_names = 'forces/x'\n    input_Scalar_values = '2'\n  []\n[]\n"
    )
    assert run.main([str(tmp_path / "input.i"), "unit", "--load", str(tmp_path / "my_law.py")])
    assert "my_law.py:10: forward of Raw(" in capsys.readouterr().err


def test_functions_say_the_same():
    from neml2.native import NumericalFunction

    def nothing(x):
        x * 2

    line = nothing.__code__.co_firstlineno
    with pytest.raises(
        TypeError, match=rf"test_model_results\.py:{line}: nothing returned \(None\); expected tensors: y"
    ):
        NumericalFunction(nothing, inputs={"x": ()}, outputs=["y"])(1.0)
    with pytest.raises(TypeError, match=r"test_model_results\.py:\d+: .*returned \(Tensor\); expected tensors: y, z"):
        NumericalFunction(lambda x: x, inputs={"x": ()}, outputs=["y", "z"])(1.0)

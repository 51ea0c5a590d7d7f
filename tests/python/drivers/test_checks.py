# SPDX-License-Identifier: MIT
"""Drivers that compare: regression, verification, unit tests of models."""

import pytest
import torch
from driver_inputs import DECAY

from neml2.errors import InvalidOption
from neml2.hit import load_input, load_string

F64 = torch.float64


def source(*overrides):
    return load_string(DECAY, additional_args=overrides)


@pytest.fixture
def reference(tmp_path):
    (tmp_path / "input.i").write_text(DECAY)
    result = load_input(tmp_path / "input.i").get_driver("driver").run()
    torch.save(result, tmp_path / "reference.pt")
    return tmp_path


def regression(folder, *overrides):
    return load_input(folder / "input.i", additional_args=overrides).get_driver("regression")


class TestRegression:
    def change(self, folder, edit):
        content = torch.load(folder / "reference.pt", weights_only=True)
        edit(content)
        torch.save(content, folder / "reference.pt")

    def test_the_same_passes(self, reference):
        regression(reference).run()

    def test_less_is_enough(self, reference):
        self.change(reference, lambda content: [content.pop(f"output.{k}.x") for k in range(5)])
        regression(reference).run()

    def test_a_value_of_the_reference_must_be_there(self, reference):
        self.change(reference, lambda content: content.update({"output.3.z": torch.zeros(3)}))
        with pytest.raises(AssertionError, match=r"not in the result: output\.3\.z"):
            regression(reference).run()

    @pytest.mark.parametrize(
        "other",
        [
            torch.tensor([1.0, 2.0, 4.0], dtype=F64) / 1.2**3 * (1 + 3e-5),
            (torch.tensor([1.0, 2.0, 4.0], dtype=F64) / 1.2**3)[None],
            (torch.tensor([1.0, 2.0, 4.0], dtype=F64) / 1.2**3).float(),
        ],
        ids=["value", "shape", "dtype"],
    )
    def test_differences(self, reference, other):
        self.change(reference, lambda content: content.update({"output.3.x": other}))
        with pytest.raises(AssertionError, match=r"'output\.3\.x'"):
            regression(reference).run()

    def test_tolerances(self, reference):
        factor = 1 + 3e-5
        self.change(reference, lambda content: content["output.3.x"].mul_(factor))
        regression(reference, "Drivers/regression/rtol=1e-4").run()

    def test_no_file(self, reference):
        (reference / "reference.pt").unlink()
        with pytest.raises(FileNotFoundError, match=r"input.i:\d+: .*no such file"):
            regression(reference).run()

    def test_not_a_result(self, reference):
        (reference / "reference.pt").write_text("nothing")
        with pytest.raises(ValueError, match="no result that can be read"):
            regression(reference).run()

    def test_a_reference_without_values(self, reference):
        for content in ({}, {"note": "nothing"}, [1, 2]):
            torch.save(content, reference / "reference.pt")
            with pytest.raises(ValueError, match=r"holds no values|expected values by name"):
                regression(reference).run()

    def test_tolerances_are_checked(self, reference):
        for value in ("nan", "-1", "inf"):
            with pytest.raises(InvalidOption, match="no tolerance"):
                regression(reference, f"Drivers/regression/rtol={value}")

    def test_needs_a_transient_driver(self, reference):
        with pytest.raises(InvalidOption, match="no TransientDriver"):
            regression(reference, "Drivers/regression/driver:='unit'")


class TestVerification:
    def run(self, *lines):
        source(*(f"Drivers/verification/{line}" for line in lines)).get_driver("verification").run()

    def test_all_steps(self):
        self.run()

    def test_some_steps(self):
        source(
            "Drivers/verification/time_steps='3 5'",
            "Tensors/exact/expr:='Scalar(start.data/1.2**torch.tensor([[3.], [5.]], dtype=torch.float64))'",
        ).get_driver("verification").run()

    def test_one_step_is_the_whole_value(self):
        source("Drivers/verification/time_steps='3'", "Tensors/exact/expr:='Scalar(start.data / 1.2**3)'").get_driver(
            "verification"
        ).run()

    def test_a_difference(self):
        with pytest.raises(AssertionError, match=r"'output\.x' at step 1"):
            source("Models/rate/weights:='-2.001'").get_driver("verification").run()

    def test_a_missing_value_must_be_zero(self):
        changed = ("Drivers/verification/driver:='histories'", "Drivers/verification/Scalar_names:='output.y'")
        with pytest.raises(AssertionError, match="no value at step 0"):
            source(*changed).get_driver("verification").run()
        f = "torch.linspace(0, 1, 21, dtype=torch.float64)"
        old = f"torch.nn.functional.pad({f}, (1, 0))[:21]"
        older = f"torch.nn.functional.pad({f}, (2, 0))[:21]"
        value = f"Tensors/exact/expr:='Scalar(({f} + 10*{old} + 100*{older}).unsqueeze(-1).expand(21, 3))'"
        source(*changed, value).get_driver("verification").run()

    @pytest.mark.parametrize(
        ("lines", "text"),
        [
            (["Scalar_names:=''", "Scalar_values:=''"], "nothing to verify"),
            (["Scalar_names:='x'"], "names no result"),
            (["Scalar_names:='output.x output.x'"], "2 names, but 1 values"),
            (["Scalar_names:='output.x output.x'", "Scalar_values:='exact exact'"], "twice"),
            (["time_steps='1 1'"], "twice"),
            (["time_steps='1 21'"], "has no step 21; expected 0 to 20"),
            (["time_steps='-1'"], "has no step -1"),
            (["rtol:='nan'"], "nan is no tolerance"),
            (["atol='-1'"], "is no tolerance"),
            (["atol='inf'"], "is no tolerance"),
        ],
    )
    def test_bad_options(self, lines, text):
        with pytest.raises(InvalidOption, match=text):
            self.run(*lines)

    def test_wrong_type(self):
        with pytest.raises(ValueError, match="is a Scalar; expected SR2"):
            self.run("Scalar_names:=''", "Scalar_values:=''", "SR2_names='output.x'", "SR2_values='exact'")


class TestModelUnitTest:
    def unit(self, *lines):
        return source(*(f"Drivers/unit/{line}" for line in lines)).get_driver("unit")

    def test_values_and_derivatives(self):
        unit = self.unit()
        unit.run()
        assert unit.check_values() == 1 and unit.check_derivatives() == 4

    def test_a_wrong_value(self):
        with pytest.raises(AssertionError, match="output 'y'"):
            self.unit("output_Scalar_values:='4321.1'").run()

    def test_inputs_must_match_exactly(self):
        with pytest.raises(InvalidOption, match="no value is given for g"):
            self.unit("input_Scalar_names:='f f~1 f~2'", "input_Scalar_values:='1 2 3'")
        with pytest.raises(InvalidOption, match="'h' is no input"):
            self.unit("input_Scalar_names:='f f~1 f~2 g h'", "input_Scalar_values:='1 2 3 4 5'")

    def test_integers_are_refused(self):
        text = "Tensors/start/expr:='Scalar(torch.tensor([1, 2, 3]))'"
        with pytest.raises(InvalidOption, match="expected a floating one"):
            source(text, "Drivers/unit/input_Scalar_values:='start 2 3 4'").get_driver("unit")

    def test_unknown_options_are_ignored(self):
        text = DECAY.replace("type = ModelUnitTest", "type = ModelUnitTest\n    whatever = 1")
        load_string(text).get_driver("unit").run()

    def test_a_wrong_derivative_is_found(self, monkeypatch):
        unit = self.unit()
        monkeypatch.setattr(unit, "_forward_mode", lambda name, v: {"y": torch.zeros((), dtype=F64)})
        with pytest.raises(AssertionError, match="derivative of 'y' along 'f'"):
            unit.run()

    def test_through_an_implicit_update(self):
        text = DECAY.replace(
            "    model = 'sum'\n    input_Scalar_names = 'f f~1 f~2 g'",
            "    model = 'update'\n    input_Scalar_names = 'x~1 t t~1'",
        )
        text = text.replace("'1 2 3 4'", "'start 0.1 0'").replace(
            "output_Scalar_names = 'y'", "output_Scalar_names = 'x'"
        )
        text = text.replace("'4321'", "'after'")
        text += "[Tensors]\n[after]\ntype = Python\nexpr = 'Scalar(start.data / 1.2)'\n[]\n[]\n"
        load_string(text).get_driver("unit").run()

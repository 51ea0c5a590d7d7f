# SPDX-License-Identifier: MIT
"""Places, overrides and repeated sections of input files."""

from __future__ import annotations

import pytest

from neml2.errors import InputError, InputSyntaxError
from neml2.hit import load_input, load_string

ELASTICITY = """
[Models]
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '${E} 0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
  []
[]
"""


def stiffness(source, name="elasticity"):
    return source.get_model(name).get_parameter("E").item()


def test_pre_supplies_a_value():
    assert stiffness(load_string(ELASTICITY, pre=["E=100"])) == 100.0


@pytest.mark.parametrize("how", ["post", "additional_args"])
def test_override_replaces_a_value(how):
    options = {how: ["Models/elasticity/coefficients:='7 0.3'"]}
    assert stiffness(load_string(ELASTICITY, pre=["E=100"], **options)) == 7.0


def test_last_override_wins():
    post = ["Models/elasticity/coefficients:='7 0.3'", "Models/elasticity/coefficients:='8 0.3'"]
    assert stiffness(load_string(ELASTICITY, pre=["E=1"], post=post)) == 8.0


def test_override_reaches_a_block_of_an_earlier_section():
    text = ELASTICITY + "[Models]\n [other]\n  type = ComposedModel\n  models = elasticity\n []\n[]\n"
    source = load_string(text, pre=["E=1"], post=["Models/elasticity/coefficients:='9 0.3'"])
    assert stiffness(source) == 9.0
    assert source.names("Models") == ["elasticity", "other"]


def test_override_of_the_type_reaches_an_earlier_section():
    text = ELASTICITY + "[Models]\n [other]\n  type = ComposedModel\n []\n[]\n"
    source = load_string(text, pre=["E=1"], post=["Models/elasticity/type:=Nonsense"])
    assert source.type_of("Models", "elasticity") == "Nonsense"


def test_plain_assignment_adds_a_field_to_an_earlier_section():
    text = ELASTICITY + "[Models]\n [other]\n  type = ComposedModel\n []\n[]\n"
    source = load_string(text, pre=["E=1"], post=["Models/elasticity/stress=sigma"])
    assert list(source.get_model("elasticity").output_spec) == ["sigma"]


def test_plain_assignment_of_an_existing_field_is_an_error():
    other = "[Models]\n [other]\n  type = ComposedModel\n []\n[]\n"
    for text in (ELASTICITY, ELASTICITY + other):
        with pytest.raises(InputSyntaxError, match="duplicate field 'type': use ':=' to override"):
            load_string(text, pre=["E=1"], post=["Models/elasticity/type=Other"])


def test_sections_may_be_repeated_and_reference_forward():
    text = """
    [Models]
      [both]
        type = ComposedModel
        models = 'first'
      []
    []
    [Models]
      [first]
        type = IsotropicMandelStress
      []
    []
    """
    assert list(load_string(text).get_model("both").output_spec) == ["mandel_stress"]


def test_lines_count_from_the_first_line_of_the_file(tmp_path):
    path = tmp_path / "model.i"
    path.write_text("[Models]\n  [a]\n    type = Nonsense\n  []\n[]\nz = 2\n")
    with pytest.raises(InputError) as info:
        load_input(path, pre=["x=1", "y=2"], post=["z:=3"]).get_model("a")
    assert str(info.value).startswith(f"{path}:3: [Models/a] option 'type': ")
    assert info.value.where.line == 3


def test_an_error_in_an_override_quotes_it():
    source = load_string(ELASTICITY, pre=["E=1"], post=["Models/elasticity/compliance:=True"])
    with pytest.raises(ValueError) as info:
        source.get_model("elasticity")
    assert "override 'Models/elasticity/compliance:=True'" in str(info.value)


def test_an_error_in_an_included_file_names_that_file(tmp_path):
    (tmp_path / "part.i").write_text("[Models]\n  [a]\n    type = Nonsense\n  []\n[]\n")
    path = tmp_path / "model.i"
    path.write_text("# first\n!include part.i\n")
    with pytest.raises(KeyError) as info:
        load_input(path, pre=["x=1"]).get_model("a")
    assert str(info.value).startswith(f"{tmp_path / 'part.i'}:3: ")


def test_syntax_error_has_a_place(tmp_path):
    path = tmp_path / "model.i"
    path.write_text("[Models]\n  x = 1\n  x = 2\n[]\n")
    with pytest.raises(InputSyntaxError) as info:
        load_input(path, pre=["a=1"])
    assert str(info.value).startswith(f"{path}:3: ") and "duplicate field 'x'" in str(info.value)
    assert isinstance(info.value, ValueError) and isinstance(info.value, RuntimeError)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such input file"):
        load_input(tmp_path / "nothing.i")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load_input(tmp_path)


def test_unresolved_brace_names_the_option():
    with pytest.raises(ValueError, match=r"\[Models/elasticity\] option 'coefficients'.*'E'"):
        load_string(ELASTICITY).get_model("elasticity")

# SPDX-License-Identifier: MIT
"""[Tensors]: Python expressions and CSV columns."""

from __future__ import annotations

import math

import pytest
import torch

from neml2.errors import CircularReference
from neml2.hit import load_input, load_string
from neml2.types import SR2, WR2, Scalar, Vec


def tensors(text: str, **options):
    return load_string(f"[Tensors]\n{text}\n[]\n", name="t.i", **options)


def python(expr: str, others: str = "", **options):
    return tensors(f"[x]\ntype = Python\nexpr = {expr}\n[]\n{others}", **options).get_tensor("x")


def entry(name: str, expr: str) -> str:
    return f"[{name}]\ntype = Python\nexpr = {expr}\n[]\n"


def test_a_number_with_substitution():
    value = python("'${n}'", pre=["n=5"])
    assert value == 5 and isinstance(value, int)


def test_a_typed_expression_over_several_lines():
    value = python("'''\n    Scalar(\n      torch.linspace(0.0, 1.0, 3, dtype=torch.float64)\n    )\n  '''")
    assert isinstance(value, Scalar)
    torch.testing.assert_close(value.data, torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))


def test_statements_leave_their_value_in_result():
    text = """'''
    import math as m
    def square(v):
      return v * v
    result = square(m.pi) + scale
    '''"""
    assert python(text, entry("scale", "'2.0'")) == math.pi**2 + 2.0


def test_other_entries_are_names_also_inside_comprehensions_and_functions():
    others = entry("a", "'[1, 2, 3]'") + entry("f", "'lambda v: v + a[0]'")
    assert python("'[f(v) for v in a]'", others) == [2, 3, 4]


def test_builtins_work_unless_a_type_or_an_entry_has_the_name():
    assert python("'float(len(range(3)))'") == 3.0
    assert python("'list(zip([1], [2]))'") == [(1, 2)]
    assert python("'len'", entry("len", "'7'")) == 7
    assert isinstance(python("'abs(Scalar(-1.0))'"), Scalar)


def test_entries_that_are_only_locals_are_not_evaluated():
    assert python("'''\n  x = 3\n  y = x + 1\n  result = y\n'''", entry("y", "'1/0'")) == 4


def test_values_are_cached():
    source = tensors(entry("a", "'torch.rand(3)'") + entry("b", "'a'"))
    assert source.get_tensor("b") is source.get_tensor("a") is source.get_tensor("a")


def test_unknown_options_of_a_tensor_are_ignored():
    assert tensors("[x]\ntype = Python\nexpr = '1'\nremark = hello\n[]").get_tensor("x") == 1


def test_numpy_is_at_hand():
    assert python("'float(np.sum([1.0, 2.0]))'") == 3.0


# -- errors --------------------------------------------------------------------------------------------------


def test_missing_block_is_a_key_error():
    with pytest.raises(KeyError, match=r"No \[Tensors/y\] found"):
        tensors(entry("x1", "'1'")).get_tensor("y")


def test_unregistered_type_is_a_value_error_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"t.i:3: \[Tensors/x\] option 'type': .*did you mean 'Python'\?"):
        tensors("[x]\ntype = Pyton\nexpr = 1\n[]").get_tensor("x")


def test_an_exception_becomes_a_value_error_that_names_the_block():
    with pytest.raises(ValueError, match=r"t.i:4: \[Tensors/x\] option 'expr': ZeroDivisionError"):
        python("'1/0'")


def test_an_unknown_name_is_a_value_error_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"NameError: name 'strians'.*; did you mean 'strains'\?"):
        python("'strians + 1'", entry("strains", "'1'"))


def test_endless_recursion_of_an_expression_is_a_value_error():
    with pytest.raises(ValueError, match="RecursionError"):
        python("'(lambda f: f(f))(lambda f: f(f))'")


def test_bad_syntax_is_a_value_error():
    with pytest.raises(ValueError, match=r"\[Tensors/x\] option 'expr': SyntaxError"):
        python("'1 +'")


def test_missing_result_is_a_value_error():
    with pytest.raises(ValueError, match="assign no variable 'result'"):
        python("'y = 1'")


def test_missing_expr():
    with pytest.raises(ValueError, match="option 'expr' is required"):
        tensors("[x]\ntype = Python\n[]").get_tensor("x")


def test_an_error_in_another_entry_names_that_entry():
    with pytest.raises(ValueError, match=r"\[Tensors/y\] option 'expr': ZeroDivisionError"):
        python("'y'", entry("y", "'1/0'"))


def test_self_and_mutual_reference_are_recursion_errors():
    with pytest.raises(RecursionError, match="Tensors/x -> Tensors/x"):
        python("'x + 1'")
    with pytest.raises(CircularReference, match="Tensors/x -> Tensors/y -> Tensors/x"):
        python("'y'", entry("y", "'x'"))


def test_a_traceback_points_into_the_input_file(tmp_path):
    path = tmp_path / "model.i"
    expression = "'''\n      result = (1 +\n       1/0)\n'''"
    path.write_text(f"[Tensors]\n  [x]\n    type = Python\n    expr = {expression}\n  []\n[]\n")
    with pytest.raises(ValueError) as info:
        load_input(path).get_tensor("x")
    frame = info.value.__cause__.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    assert frame.tb_frame.f_code.co_filename == str(path) and frame.tb_lineno in (5, 6)


# -- CSV -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.csv").write_text(
        "t, e_xx, e_yy, e_zz, e_yz, e_xz, e_xy, v_x, v_y, v_z, w_zy, w_xz, w_yx\n"
        "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12\n"
        "1.5,-1,-2,-3,-4,-5,-6,-7,-8,-9,-10,-11,-12\n"
    )
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "words.csv").write_text("a,b\n1,two\n")
    (tmp_path / "empty.csv").write_text("a,b\n")
    return tmp_path


def csv(folder, kind, fields):
    path = folder / "m.i"
    path.write_text(f"[Tensors]\n[x]\ntype = {kind}\n{fields}\n[]\n[]\n")
    return load_input(path).get_tensor("x")


@pytest.mark.parametrize(
    "kind, cls, variable, row",
    [
        ("CSVScalar", Scalar, "t", 0.0),
        ("CSVSR2", SR2, "e", [1.0, 2, 3, 4, 5, 6]),
        ("CSVVec", Vec, "v", [7.0, 8, 9]),
        ("CSVWR2", WR2, "w", [10.0, 11, 12]),
    ],
)
def test_csv_columns_by_prefix_are_taken_as_they_stand(folder, kind, cls, variable, row):
    value = csv(folder, kind, f"csv_file = data.csv\nvariable = {variable}")
    assert type(value) is cls and value.data.dtype == torch.float64
    assert value.data.shape == (2, *cls.BASE_SHAPE)
    torch.testing.assert_close(value.data[0], torch.tensor(row, dtype=torch.float64))


def test_csv_columns_by_name(folder):
    value = csv(folder, "CSVVec", "csv_file = data.csv\ncolumn_names = 'e_zz e_yy t'")
    assert value.data.tolist() == [[3, 2, 0], [-3, -2, 1.5]]


@pytest.mark.parametrize(
    "fields, words",
    [
        ("csv_file = none.csv\nvariable = t", "no such file"),
        ("csv_file = data.csv\nvariable = tt", "data.csv has no column 'tt'"),
        ("csv_file = data.csv\ncolumn_names = 'e_xx e_yy'", "needs 1 column names, 2 are given"),
        ("csv_file = data.csv", "'variable' or 'column_names' is required"),
        ("csv_file = data.csv\nvariable = t\ncolumn_names = t", "not both"),
        ("csv_file = ragged.csv\nvariable = a", "ragged.csv:3: 1 values, the header names 2 columns"),
        ("csv_file = words.csv\nvariable = b", "words.csv:2: could not convert"),
        ("csv_file = empty.csv\nvariable = b", "no rows"),
        ("variable = b", "option 'csv_file' is required"),
    ],
)
def test_csv_errors(folder, fields, words):
    with pytest.raises(ValueError) as info:
        csv(folder, "CSVScalar", fields)
    assert words in str(info.value) and "[Tensors/x]" in str(info.value)


# -- tokens that stand for values ----------------------------------------------------------------------------


def test_typed_tensor_of_a_token():
    entries = {"raw": "'torch.ones(2, 6)'", "typed": "'Vec.fill(1, 2, 3)'", "n": "'5'"}
    source = tensors("".join(entry(name, expr) for name, expr in entries.items()))
    assert source.typed_tensor("-2.5e1", Scalar).data.item() == -25.0
    assert type(source.typed_tensor("raw", SR2)) is SR2
    assert source.typed_tensor("typed", Vec).data.tolist() == [1, 2, 3]
    for token, cls, words in [
        ("typed", SR2, r"\[Tensors/typed\] is a Vec; expected SR2"),
        ("raw", Vec, r"has shape \(2, 6\); a Vec ends in \(3,\)"),
        ("n", Scalar, r"\[Tensors/n\] is a int; expected Scalar"),
        ("typd", Vec, r"'typd' is not a \[Tensors\] block; did you mean 'typed'\?"),
        ("1.0", SR2, "'1.0' is not a"),
        ("1/2", Scalar, "'1/2' is not a number or the name"),
    ]:
        with pytest.raises(ValueError, match=words):
            source.typed_tensor(token, cls)

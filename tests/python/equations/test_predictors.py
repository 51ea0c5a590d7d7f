# SPDX-License-Identifier: MIT
"""Initial guesses from the history."""

import pytest
import torch
from implicit_inputs import load

from neml2.equations import ConstantExtrapolationPredictor, LinearExtrapolationPredictor
from neml2.errors import InvalidOption
from neml2.types import SR2, Scalar

F64 = torch.float64


def scalar(*values):
    return Scalar(torch.tensor(values, dtype=F64))


TIMES = {"t": scalar(3.0, 3.0), "t~1": scalar(2.0, 2.0), "t~2": scalar(1.5, 2.0)}  # the second point is cold


def test_constant():
    predictor = ConstantExtrapolationPredictor(unknowns_Scalar=["a"], unknowns_SR2=["b"])
    assert list(predictor.output_spec) == ["b", "a"]
    assert list(predictor.input_spec) == ["b~1", "a~1"]
    b = SR2(torch.arange(6, dtype=F64))
    values = predictor.evaluate({"a~1": scalar(1.0, 2.0), "b~1": b})
    assert torch.equal(values["a"].data, scalar(1.0, 2.0).data) and torch.equal(values["b"].data, b.data)


def test_constant_with_cold_starts():
    predictor = ConstantExtrapolationPredictor(unknowns_Scalar=["a", "b"], cold=["a:x"])
    assert list(predictor.input_spec) == ["a~1", "b~1", "t", "t~1", "t~2", "x"]
    state = {"a~1": scalar(1.0, 1.0), "b~1": scalar(5.0, 5.0), "x": scalar(9.0, 9.0), **TIMES}
    values = predictor.evaluate(state)
    assert values["a"].data.tolist() == [1.0, 9.0]
    assert values["b"].data.tolist() == [5.0, 5.0]


def test_linear():
    predictor = LinearExtrapolationPredictor(unknowns_Scalar=["a"])
    assert list(predictor.input_spec) == ["a~1", "t", "t~1", "t~2", "a~2"]
    values = predictor.evaluate({"a~1": scalar(4.0, 4.0), "a~2": scalar(3.0, 3.0), **TIMES})
    assert values["a"].data.tolist() == [6.0, 4.0]  # 4 + 1 * (1 / 0.5), and the old value where cold


def test_linear_with_cold_starts():
    predictor = LinearExtrapolationPredictor(unknowns_Scalar=["a"], cold=["a:x"])
    state = {"a~1": scalar(4.0, 4.0), "a~2": scalar(3.0, 3.0), "x": scalar(9.0, 9.0), **TIMES}
    assert predictor.evaluate(state)["a"].data.tolist() == [6.0, 9.0]


def test_linear_of_a_straight_line_is_exact_for_tensors():
    predictor = LinearExtrapolationPredictor(unknowns_SR2=["b"])
    slope = torch.arange(1, 7, dtype=F64)
    times = {"t": scalar(0.7), "t~1": scalar(0.5), "t~2": scalar(0.2)}
    values = predictor.evaluate({"b~1": SR2(0.5 * slope), "b~2": SR2(0.2 * slope), **times})
    torch.testing.assert_close(values["b"].data, 0.7 * slope[None])


def test_cold_derivatives_are_finite():
    predictor = LinearExtrapolationPredictor(unknowns_Scalar=["a"])
    _, blocks = predictor.jacobian({"a~1": scalar(4.0, 4.0), "a~2": scalar(3.0, 3.0), **TIMES})
    assert all(torch.isfinite(block).all() for block in blocks["a"].values())


@pytest.mark.parametrize(
    ("cold", "text"),
    [("a", "no pair"), ("a:", "no pair"), ("a:b:c", "no pair"), ("aa:x", "did you mean 'a'"), ("a:x a:y", "twice")],
)
def test_bad_pairs(cold, text):
    with pytest.raises(InvalidOption, match=text):
        ConstantExtrapolationPredictor(unknowns_Scalar=["a"], cold=cold.split())


def test_from_an_input_file():
    text = "[Models]\n[p]\ntype = ConstantExtrapolationPredictor\nunknowns_Scalar = 'a a'\n[]\n[]"
    with pytest.raises(InvalidOption, match="listed twice"):
        load(text).get_model("p")

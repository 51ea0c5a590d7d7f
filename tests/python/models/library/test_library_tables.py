# SPDX-License-Identifier: MIT
"""Tables belong to one point: their axes are no batch axes, whatever tag the [Tensors] entry has."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neml2.hit import load_string
from neml2.types import SR2, Scalar

FILE = """
[Tensors]
  [x]
    type = Python
    expr = 'Scalar([0.0, 1.0, 3.0]){x}'
  []
  [y]
    type = Python
    expr = 'Scalar({y})'
  []
  [sites]
    type = Python
    expr = 'Scalar(torch.arange(12.0, dtype=torch.float64).reshape(4, 3), sub_batch_ndim=2)'
  []
  [z]
    type = Python
    expr = 'SR2(torch.arange(2 * 6 * 6.0, dtype=torch.float64).reshape(2, 2, 3, 6))'
  []
[]
[Models]
  [linear]
    type = ScalarLinearInterpolation
    abscissa = 'x'
    ordinate = '{ordinate}'
  []
  [bilinear]
    type = SR2BilinearInterpolation
    abscissa1 = '0 1'
    abscissa2 = 'x'
    ordinate = 'z'
  []
[]
"""


def source(x="", y="[2.0, 5.0, -1.0]", ordinate="y"):
    return load_string(FILE.format(x=x, y=y, ordinate=ordinate))


@pytest.mark.parametrize("tag", ["", ".sub_batch.retag(1)"])
@pytest.mark.parametrize("y, ordinate", [("[2.0, 5.0, -1.0]", "y"), ("0", "2 5 -1")])
def test_the_table_axis_is_tagged_as_belonging_to_the_point(tag, y, ordinate):
    model = source(tag, y, ordinate).get_model("linear")
    assert [slot.sub_batch_ndim for slot in model.parameter_slots] == [1, 1]
    value = model(Scalar(torch.tensor([[-1.0, 0.5], [2.0, 4.0]], dtype=torch.float64)))
    assert value.sub_batch_ndim == 0
    np.testing.assert_allclose(value.data.detach(), [[-1.0, 3.5], [2.0, -4.0]], rtol=1e-14)


def test_axes_before_the_table_are_batch_axes():
    model = source(y="[[2.0, 5.0, -1.0], [0.0, 1.0, 3.0]]").get_model("linear")
    assert [slot.sub_batch_ndim for slot in model.parameter_slots] == [1, 1]
    value = model(torch.tensor([[0.5], [2.0]], dtype=torch.float64))
    np.testing.assert_allclose(value.data.detach(), [[3.5, 0.5], [2.0, 2.0]], rtol=1e-14)


def test_a_table_for_each_site():
    model = source(ordinate="sites").get_model("linear")
    assert [slot.sub_batch_ndim for slot in model.parameter_slots] == [1, 2]
    value = model(torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64))
    assert value.sub_batch_ndim == 1
    base = 3.0 * np.arange(4)
    np.testing.assert_allclose(value.data.detach(), [base + 0.5, base + 1.0, base + 1.5], rtol=1e-14)


def test_a_batch_of_grids_of_tensors():
    model = source().get_model("bilinear")
    assert [slot.sub_batch_ndim for slot in model.parameter_slots] == [1, 1, 2]
    value = model(torch.tensor(0.25, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64))
    z = np.arange(72.0).reshape(2, 2, 3, 6)
    expected = 0.75 * (z[:, 0, 1] + z[:, 0, 2]) / 2 + 0.25 * (z[:, 1, 1] + z[:, 1, 2]) / 2
    assert type(value) is SR2
    np.testing.assert_allclose(value.data.detach(), expected, rtol=1e-14)


@pytest.mark.parametrize(
    "given, words",
    [({"y": "0.0"}, "option 'ordinate': expected a table of Scalar values over 1 axis"),
     ({"y": "[0.0, 1.0]"}, r"option 'ordinate': expected table axes \[3\]")],
)  # fmt: skip
def test_a_table_of_the_wrong_shape_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        source(**given).get_model("linear")

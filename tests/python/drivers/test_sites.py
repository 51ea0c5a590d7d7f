# SPDX-License-Identifier: MIT
"""Sub-batch shapes that only the values of drivers show."""

from __future__ import annotations

from neml2.drivers.sites import sub_batch_shapes
from neml2.hit import load_string

TEXT = """
[Models]
  [sum]
    type = ScalarLinearCombination
    from = 'a b c a~1'
    to = 'a'
  []
  [other]
    type = CopyScalar
    from = 'a'
    to = 'b'
  []
[]
[Tensors]
  [times]
    type = Python
    expr = 'Scalar([0.0, 1.0])'
  []
  [two]
    type = Python
    expr = 'Scalar.zeros(2, 4, sub_batch_ndim=1)'
  []
  [table]
    type = Python
    expr = 'Scalar.zeros(3, 5, sub_batch_ndim=2)'
  []
[]
[Drivers]
  [broken]
    type = TransientDriver
    model = 'sum'
    prescribed_time = 'nowhere'
  []
  [history]
    type = TransientDriver
    model = 'sum'
    prescribed_time = 'times'
    prescribed_Scalar_names = 'b'
    prescribed_Scalar_values = 'two'
    ic_Scalar_names = 'a c'
    ic_Scalar_values = 'table 0'
  []
  [check]
    type = ModelUnitTest
    model = 'other'
    input_Scalar_names = 'a'
    input_Scalar_values = 'two'
  []
  [compare]
    type = TransientRegression
    driver = 'history'
    reference = 'none.pt'
  []
[]
"""


def test_values_of_the_drivers_of_a_model_and_of_no_other():
    source = load_string(TEXT)
    assert sub_batch_shapes(source, "sum") == {"a": (3, 5), "b": (4,)}
    assert sub_batch_shapes(source, "other") == {"a": (4,)}
    assert sub_batch_shapes(source, "none") == {}

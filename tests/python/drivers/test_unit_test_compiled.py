# SPDX-License-Identifier: MIT
"""A ModelUnitTest of a compiled model checks values, and those derivatives that were compiled."""

import pytest

import neml2
from input_texts import ELASTICITY

TEST = """
[Drivers]
  [unit]
    type = ModelUnitTest
    model = 'elasticity'
    input_SR2_names = 'strain'
    input_SR2_values = 'strain'
    output_SR2_names = 'stress'
    output_SR2_values = 'stress'
  []
[]
[Tensors]
  [strain]
    type = Python
    expr = 'SR2(torch.tensor([0.01, 0, 0, 0, 0, 0], dtype=torch.float64))'
  []
  [stress]
    type = Python
    expr = 'SR2(torch.tensor([35000.0, 15000.0, 15000.0, 0, 0, 0], dtype=torch.float64) / 13)'
  []
[]
"""


@pytest.mark.parametrize(("flags", "derivatives"), [((), 0), (("-d", "stress:strain"), 1)])
def test_values_and_compiled_derivatives(compiled, flags, derivatives):
    stub = compiled(ELASTICITY + TEST, "elasticity", *flags)
    driver = neml2.load_input(stub).get_driver("unit")
    driver.run()
    assert driver.check_values() == 1
    assert driver.check_derivatives() == derivatives

# SPDX-License-Identifier: MIT
"""Input files with drivers."""

from input_texts import decay

DECAY = (
    decay()
    + """
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 2, 21, dtype=torch.float64))'
  []
  [forces]
    type = Python
    expr = 'Scalar(torch.linspace(0, 1, 21, dtype=torch.float64).unsqueeze(-1).expand(21, 3).contiguous())'
  []
  [start]
    type = Python
    expr = 'Scalar(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))'
  []
  [exact]
    type = Python
    expr = 'Scalar(start.data * 1.2 ** -torch.arange(21, dtype=torch.float64).unsqueeze(-1))'
  []
[]
[Models]
  [sum]
    type = ScalarLinearCombination
    from = 'f f~1 f~2 g'
    to = 'y'
    weights = '1 10 100 1000'
  []
[]
[Drivers]
  [driver]
    type = TransientDriver
    model = 'update'
    prescribed_time = 'times'
    ic_Scalar_names = 'x'
    ic_Scalar_values = 'start'
  []
  [histories]
    type = TransientDriver
    model = 'sum'
    prescribed_time = 'times'
    prescribed_Scalar_names = 'f'
    prescribed_Scalar_values = 'forces'
  []
  [regression]
    type = TransientRegression
    driver = 'driver'
    reference = 'reference.pt'
  []
  [verification]
    type = Verification
    driver = 'driver'
    Scalar_names = 'output.x'
    Scalar_values = 'exact'
    rtol = 1e-10
  []
  [unit]
    type = ModelUnitTest
    model = 'sum'
    input_Scalar_names = 'f f~1 f~2 g'
    input_Scalar_values = '1 2 3 4'
    output_Scalar_names = 'y'
    output_Scalar_values = '4321'
  []
[]
"""
)

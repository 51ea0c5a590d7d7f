# What the crystals of this folder share: twelve systems <110>{111}, power-law slip, one strength that saturates.
[Tensors]
  [directions]
    type = Python
    expr = 'MillerIndex(torch.tensor([1, 1, 0]))'
  []
  [planes]
    type = Python
    expr = 'MillerIndex(torch.tensor([1, 1, 1]))'
  []
[]

[Data]
  [crystal_geometry]
    type = CubicCrystal
    lattice_parameter = 1
    slip_directions = 'directions'
    slip_planes = 'planes'
  []
[]

[Models]
  [slip]
    type = PowerLawSlipRule
    n = ${exponent}
    gamma0 = ${reference_rate}
  []
  [strength]
    type = SingleSlipStrengthMap
    constant_strength = ${initial_strength}
  []
  [total_slip]
    type = SumSlipRates
  []
  [hardening]
    type = VoceSingleSlipHardeningRule
    initial_slope = 500
    saturated_hardening = ${saturation}
  []
[]

[Solvers]
  [newton]
    type = NewtonWithLineSearch
    max_linesearch_iterations = 5
    linear_solver = 'direct'
  []
  [direct]
    type = DenseLU
  []
[]

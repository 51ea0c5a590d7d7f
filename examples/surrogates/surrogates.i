[Tensors]
  [A0]
    type = Python
    expr = 'torch.tensor([[[1e-3, 2e-3, -1e-3], [2e-3, 1e-3, 0]], [[3e-3, 0, 1e-3], [4e-3, -1e-3, 2e-3]]], dtype=torch.float64)'
  []
  [A1]
    type = Python
    expr = 'torch.tensor([1e-5, -2e-6, 1e-4, 3e-4], dtype=torch.float64).expand(2, 2, 3, 4)'
  []
  [A2]
    type = Python
    expr = 'torch.tensor([2e-8, 1e-9, 3e-3, -1e-3], dtype=torch.float64).expand(2, 2, 3, 4)'
  []
  [stress_from]
    type = Python
    expr = 'Scalar([0.0, 100.0])'
  []
  [stress_to]
    type = Python
    expr = 'Scalar([100.0, 300.0])'
  []
  [temperature_from]
    type = Python
    expr = 'Scalar([300.0, 600.0])'
  []
  [temperature_to]
    type = Python
    expr = 'Scalar([600.0, 900.0])'
  []
[]

[Models]
  [formula]
    type = SurrogateFlowRate
  []
  [polynomial]
    type = TabulatedPolynomialModel
    A0 = 'A0'
    A1 = 'A1'
    A2 = 'A2'
    stress_tile_lower_bounds = 'stress_from'
    stress_tile_upper_bounds = 'stress_to'
    temperature_tile_lower_bounds = 'temperature_from'
    temperature_tile_upper_bounds = 'temperature_to'
    index_sharpness = 0.1
  []
[]

[Drivers]
  [formula_check]
    type = ModelUnitTest
    model = 'formula'
    input_Scalar_names = 'von_mises_stress temperature'
    input_Scalar_values = '1200 800'
    output_Scalar_names = 'equivalent_plastic_strain_rate'
    output_Scalar_values = '1.4521808387668552e-14'
    value_abs_tol = 0
  []
  [polynomial_check]
    type = ModelUnitTest
    model = 'polynomial'
    input_Scalar_names = 'von_mises_stress temperature internal_state_1 internal_state_2'
    input_Scalar_values = '200 450 0.3 0.5'
    output_Scalar_names = 'equivalent_plastic_strain_rate internal_state_1_rate internal_state_2_rate'
    output_Scalar_values = '1.32554179e-3 5.75621312e-4 8.25564643e-4'
  []
[]

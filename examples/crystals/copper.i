# Copper: twelve slip systems, cubic elasticity, power-law slip, hardening that saturates. Stresses in MPa, times in s.
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
    lattice_parameter = 3.615e-7
    slip_directions = 'directions'
    slip_planes = 'planes'
  []
[]

[Models]
  [stiffness]
    type = CubicElasticityTensor # C11, C12, C44 = 168.4, 121.4, 75.4 GPa
    coefficients = '66.69e3 0.4189 75.4e3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO SHEAR_MODULUS'
  []
  [elasticity]
    type = GeneralElasticity
    elastic_stiffness_tensor = 'stiffness'
    strain = 'elastic_strain'
  []
  [axes]
    type = RotationMatrix
    from = 'orientation'
    to = 'orientation_matrix'
  []
  [resolved_shear]
    type = ResolvedShear
  []
  [strength]
    type = SingleSlipStrengthMap
    constant_strength = 16
  []
  [slip]
    type = PowerLawSlipRule
    gamma0 = 1e-3
    n = 10
  []
  [total_slip]
    type = SumSlipRates
  []
  [hardening]
    type = VoceSingleSlipHardeningRule
    initial_slope = 180
    saturated_hardening = 120
  []
  [plastic_rate]
    type = PlasticDeformationRate
  []
  [plastic_spin]
    type = PlasticVorticity
  []
  [elastic_rate]
    type = ElasticStrainRate
  []
  [lattice_spin]
    type = OrientationRate
  []
  [new_strain]
    type = SR2BackwardEulerTimeIntegration
    variable = 'elastic_strain'
  []
  [new_hardening]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'slip_hardening'
  []
  [new_orientation]
    type = WR2ImplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [crystal]
    type = ComposedModel
    models = 'stiffness elasticity axes resolved_shear strength slip total_slip hardening plastic_rate plastic_spin
              elastic_rate lattice_spin new_strain new_hardening new_orientation'
    additional_outputs = 'stress'
  []
  [inside] # parameters of length one at most
    type = FixOrientation
    input = 'orientation'
    output = 'orientation'
  []
[]

[Solvers]
  [newton]
    type = NewtonWithLineSearch
    max_linesearch_iterations = 5
  []
[]

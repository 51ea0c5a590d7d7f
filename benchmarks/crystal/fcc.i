# Copper: cubic elasticity, power-law slip, Voce hardening. Elastic strain and rotation are solved (9 unknowns) at the
# hardening before the step, which then grows explicitly.
!include rates.i

[Models]
  [stiffness]
    type = CubicElasticityTensor
    coefficients = '66.69e3 0.4189 75.4e3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO SHEAR_MODULUS'
  []
  [elasticity]
    type = GeneralElasticity
    elastic_stiffness_tensor = 'stiffness'
    strain = 'elastic_strain'
    stress = 'stress'
  []
  [slip]
    type = PowerLawSlipRule
    n = 10
    gamma0 = 1e-3
  []
  [strength]
    type = SingleSlipStrengthMap
    constant_strength = 20
    slip_hardening = 'slip_hardening~1'
  []
  [hardening]
    type = VoceSingleSlipHardeningRule
    initial_slope = 200
    saturated_hardening = 100
    slip_hardening = 'slip_hardening~1'
  []
  [rotation]
    type = RotationMatrix
    from = 'orientation'
    to = 'orientation_matrix'
  []
  [new_orientation]
    type = WR2ImplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [strain_guess]
    type = CrystalPlasticityStrainPredictor
    scale = 0.1
  []
  [rest]
    type = ConstantExtrapolationPredictor
    unknowns_MRP = 'orientation'
  []
  [guess]
    type = ComposedModel
    models = 'strain_guess rest'
  []
  [crystal]
    type = ComposedModel
    models = 'rotation elasticity resolved strength slip plastic_rate plastic_spin elastic_rate lattice_spin new_strain
              new_orientation'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'balance'
    solver = 'newton'
    predictor = 'guess'
  []
  [harden]
    type = ScalarForwardEulerTimeIntegration
    variable = 'slip_hardening'
  []
  [model]
    type = ComposedModel
    models = 'update rotation elasticity resolved strength slip total_slip hardening harden'
    additional_outputs = 'elastic_strain stress orientation'
  []
[]

[EquationSystems]
  [balance]
    type = NonlinearSystem
    model = 'crystal'
    unknowns = 'elastic_strain orientation'
  []
[]

# Strain and hardening (7 unknowns) are solved in the old orientation, then the orientation (3 unknowns) at this strain.
!include rates.i
!include voce.i

[Models]
  [rotation]
    type = RotationMatrix
    from = 'orientation~1'
    to = 'orientation_matrix'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '1e5 0.25'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'elastic_strain'
  []
  [strain_guess]
    type = CrystalPlasticityStrainPredictor
    scale = 0.1
  []
  [rest]
    type = ConstantExtrapolationPredictor
    unknowns_Scalar = 'slip_hardening'
  []
  [guess]
    type = ComposedModel
    models = 'strain_guess rest'
  []
  [crystal]
    type = ComposedModel
    models = 'rotation elasticity resolved strength slip total_slip hardening plastic_rate elastic_rate new_strain
              new_hardening'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'balance'
    solver = 'newton'
    predictor = 'guess'
  []
  [new_rotation]
    type = RotationMatrix
    from = 'orientation'
    to = 'orientation_matrix'
  []
  [new_orientation]
    type = WR2ImplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [turning]
    type = ComposedModel
    models = 'new_rotation elasticity resolved strength slip plastic_rate plastic_spin lattice_spin new_orientation'
  []
  [old_orientation]
    type = ConstantExtrapolationPredictor
    unknowns_MRP = 'orientation'
  []
  [turn]
    type = ImplicitUpdate
    equation_system = 'rotation_balance'
    solver = 'newton'
    predictor = 'old_orientation'
  []
  [model]
    type = ComposedModel
    models = 'update turn elasticity'
    additional_outputs = 'elastic_strain slip_hardening'
  []
[]

[EquationSystems]
  [balance]
    type = NonlinearSystem
    model = 'crystal'
    unknowns = 'elastic_strain slip_hardening'
  []
  [rotation_balance]
    type = NonlinearSystem
    model = 'turning'
    unknowns = 'orientation'
  []
[]

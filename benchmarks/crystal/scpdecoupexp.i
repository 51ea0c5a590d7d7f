# Strain and hardening (7 unknowns) are solved in the old orientation, which then turns explicitly.
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
  [new_orientation]
    type = WR2ExplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [turn]
    type = ComposedModel
    models = 'rotation elasticity resolved strength slip plastic_rate plastic_spin lattice_spin new_orientation'
    additional_outputs = 'stress'
  []
  [model]
    type = ComposedModel
    models = 'update turn'
    additional_outputs = 'elastic_strain slip_hardening'
  []
[]

[EquationSystems]
  [balance]
    type = NonlinearSystem
    model = 'crystal'
    unknowns = 'elastic_strain slip_hardening'
  []
[]

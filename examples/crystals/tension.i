# A crystal of which each component of the rate of deformation, or of the stress, is given: `control` is one, or zero.
!include copper.i

[Models]
  [mixed]
    type = MixedControlSetup
    x_above = 'deformation_rate'
    x_below = 'stress'
    y = 'given_and_found'
  []
  [prescription]
    type = SR2LinearCombination
    from = 'given_and_found prescribed'
    to = 'control_residual'
    weights = '1 -1'
  []
  [crystal_and_control]
    type = ComposedModel
    models = 'crystal mixed prescription'
  []
  [guess]
    type = ConstantExtrapolationPredictor
    unknowns_SR2 = 'elastic_strain deformation_rate'
    unknowns_Scalar = 'slip_hardening'
    unknowns_MRP = 'orientation'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'balance'
    solver = 'newton'
    predictor = 'guess'
  []
  [model]
    type = ComposedModel
    models = 'update inside elasticity'
    additional_outputs = 'elastic_strain orientation'
  []
[]

[EquationSystems]
  [balance]
    type = NonlinearSystem
    model = 'crystal_and_control'
    unknowns = 'elastic_strain slip_hardening orientation deformation_rate'
    residuals = 'elastic_strain_residual slip_hardening_residual orientation_residual control_residual'
  []
[]

# A crystal whose rate of deformation and vorticity are given.
!include copper.i

[Models]
  [strain_guess]
    type = CrystalPlasticityStrainPredictor
    scale = 0.05
    threshold = 1e-6 # the first step only
  []
  [other_guesses]
    type = ConstantExtrapolationPredictor
    unknowns_Scalar = 'slip_hardening'
    unknowns_MRP = 'orientation'
  []
  [guess]
    type = ComposedModel
    models = 'strain_guess other_guesses'
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
    model = 'crystal'
    unknowns = 'elastic_strain slip_hardening orientation'
  []
[]

# Elastic strain, hardening and orientation, solved together.
!include rates.i

[Models]
  [rotation]
    type = RotationMatrix
    from = 'orientation'
    to = 'orientation_matrix'
  []
  [new_orientation]
    type = WR2ImplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [rest]
    type = ConstantExtrapolationPredictor
    unknowns_MRP = 'orientation'
    unknowns_Scalar = 'slip_hardening'
  []
  [guess]
    type = ComposedModel
    models = 'strain_guess rest'
  []
  [crystal]
    type = ComposedModel
    models = 'rotation elasticity resolved strength slip total_slip hardening plastic_rate plastic_spin elastic_rate
              lattice_spin new_strain new_hardening new_orientation'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'balance'
    solver = 'newton'
    predictor = 'guess'
  []
[]

[EquationSystems]
  [balance]
    type = NonlinearSystem
    model = 'crystal'
    unknowns = 'elastic_strain slip_hardening orientation'
  []
[]

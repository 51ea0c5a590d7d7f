# F = Fe Fp with St. Venant-Kirchhoff elasticity in a lattice that is held: 10 unknowns. Newton's method
# goes without line search.
!include cubic.i
!include voce.i

[Models]
  [rotation]
    type = RotationMatrix
    from = 'orientation'
    to = 'orientation_matrix'
  []
  [elastic_part]
    type = R2Multiplication
    A = 'F'
    B = 'Fp'
    to = 'Fe'
    invert_B = true
  []
  [strain]
    type = GreenLagrangeStrain
    deformation_gradient = 'Fe'
    strain = 'strain'
  []
  [svk]
    type = LinearIsotropicElasticity
    coefficients = '1e5 0.25'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
  []
  [elasticity]
    type = ComposedModel
    models = 'elastic_part strain svk'
  []
  [resolved]
    type = ResolvedShear
  []
  [total_slip]
    type = SumSlipRates
  []
  [flow]
    type = PlasticSpatialVelocityGradient
    plastic_spatial_velocity_gradient = 'Lp'
  []
  [plastic_rate]
    type = R2Multiplication
    A = 'Lp'
    B = 'Fp'
    to = 'Fp_rate'
  []
  [new_hardening]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'slip_hardening'
  []
  [new_plastic_part]
    type = R2BackwardEulerTimeIntegration
    variable = 'Fp'
  []
  [crystal]
    type = ComposedModel
    models = 'rotation elasticity resolved strength slip total_slip hardening flow plastic_rate new_hardening
              new_plastic_part'
  []
  [guess]
    type = LinearExtrapolationPredictor
    unknowns_Scalar = 'slip_hardening'
    unknowns_R2 = 'Fp'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'balance'
    solver = 'plain'
    predictor = 'guess'
  []
  [model]
    type = ComposedModel
    models = 'update elasticity'
    additional_outputs = 'Fp'
  []
[]

[EquationSystems]
  [balance]
    type = NonlinearSystem
    model = 'crystal'
    unknowns = 'slip_hardening Fp'
  []
[]

[Solvers]
  [plain]
    type = Newton
    linear_solver = 'direct'
  []
[]

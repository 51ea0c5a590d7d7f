# A polycrystal under mixed control: one rate of deformation is prescribed, the other five mean stresses are. The grains
# (10 unknowns each) are eliminated one by one; 12 unknowns are common. Drive it with values that have a grain axis.
!include rates.i
!include voce.i

[Settings]
  [example_batch_shape]
    elastic_strain~1 = '(2; ${grains})'
    orientation~1 = '(2; ${grains})'
    slip_hardening~1 = '(2; ${grains})'
  []
[]

[Tensors]
  [stiffness]
    type = Python
    expr = '''
      SSR4(torch.block_diag(127190.5998 + 159920.4285 * torch.eye(3, dtype=torch.float64),
                            120710.0 * torch.eye(3, dtype=torch.float64)))
    '''
  []
[]

[Models]
  [control]
    type = MixedControlSetup
    x_above = 'deformation_rate'
    x_below = 'target_stress'
    y = 'mixed_state'
  []
  [prescription]
    type = SR2LinearCombination
    from = 'mixed_state prescribed'
    to = 'control_residual'
    weights = '1 -1'
  []
  [rotation]
    type = RotationMatrix
    from = 'orientation'
    to = 'orientation_matrix'
  []
  [elasticity]
    type = GeneralElasticity
    elastic_stiffness_tensor = 'stiffness'
    strain = 'elastic_strain'
    stress = 'stress'
  []
  [new_orientation]
    type = WR2ImplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [mean]
    type = SR2IntermediateMean
    from = 'stress'
    to = 'mean_stress'
    reduces = 'grain'
  []
  [equilibrium]
    type = SR2LinearCombination
    from = 'target_stress mean_stress'
    to = 'equilibrium_residual'
    weights = '1 -1'
  []
  [polycrystal]
    type = ComposedModel
    models = 'control prescription rotation elasticity resolved strength slip total_slip hardening plastic_rate
              plastic_spin elastic_rate lattice_spin new_strain new_hardening new_orientation mean equilibrium'
  []
  [guess]
    type = ConstantExtrapolationPredictor
    unknowns_SR2 = 'elastic_strain deformation_rate target_stress'
    unknowns_MRP = 'orientation'
    unknowns_Scalar = 'slip_hardening'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'balance'
    solver = 'newton_by_grain'
    predictor = 'guess'
  []
  [state]
    type = MixedControlSetup
    x_above = 'deformation_rate'
    x_below = 'target_stress'
    y = 'mixed_state'
  []
  [model]
    type = ComposedModel
    models = 'update state'
    additional_outputs = 'deformation_rate target_stress'
  []
[]

[EquationSystems]
  [balance]
    type = NonlinearSystem
    model = 'polycrystal'
    unknowns = 'elastic_strain orientation slip_hardening; deformation_rate target_stress'
    residuals = 'elastic_strain_residual orientation_residual slip_hardening_residual;
                 control_residual equilibrium_residual'
    structure = 'block dense'
  []
[]

[Solvers]
  [newton_by_grain]
    type = NewtonWithLineSearch
    max_linesearch_iterations = 5
    linear_solver = 'schur'
  []
  [schur]
    type = SchurComplement
    residual_primary_group = '0'
    unknown_primary_group = '0'
    primary_solver = 'direct'
    schur_solver = 'direct'
  []
[]

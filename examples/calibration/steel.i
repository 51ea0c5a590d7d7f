# Cyclic tests of a steel, and Chaboche's viscoplasticity with two back stresses, pulled along x, fitted to them.
#
#     neml2-calibrate steel.i --plot steel.png
#
# The tests are synthetic (data.py): what is to be found is known.
# x is given by its strain, all else by its stress
pull = 'given.xx=strain.xx control.yy=1 control.zz=1 control.yz=1 control.xz=1 control.xy=1'

[Models]
  [isoharden]
    type = VoceIsotropicHardening
    saturated_hardening = 50
    saturation_rate = 5
  []
  [kinharden]
    type = SR2LinearCombination
    from = 'X1 X2'
    to = 'back_stress'
  []
  [mandel_stress]
    type = IsotropicMandelStress
    cauchy_stress = 'stress'
  []
  [overstress]
    type = SR2LinearCombination
    from = 'mandel_stress back_stress'
    to = 'overstress'
    weights = '1 -1'
  []
  [vonmises]
    type = SR2Invariant
    invariant_type = 'VONMISES'
    tensor = 'overstress'
    invariant = 'effective_stress'
  []
  [yield_surface]
    type = YieldFunction
    yield_stress = 50
    isotropic_hardening = 'isotropic_hardening'
  []
  [flow]
    type = ComposedModel
    models = 'overstress vonmises yield_surface'
  []
  [normality]
    type = Normality
    model = 'flow'
    function = 'yield_function'
    from = 'mandel_stress isotropic_hardening'
    to = 'flow_direction isotropic_hardening_direction'
  []
  [flow_rate]
    type = PerzynaPlasticFlowRate
    reference_stress = 200
    exponent = 4
  []
  [eprate]
    type = AssociativeIsotropicPlasticHardening
  []
  [X1rate]
    type = ChabochePlasticHardening
    back_stress = 'X1'
    C = 20000
    g = 200
    A = 1e-8
    a = 1.2
  []
  [X2rate]
    type = ChabochePlasticHardening
    back_stress = 'X2'
    C = 5000
    g = 50
    A = 1e-10
    a = 3.2
  []
  [Eprate]
    type = AssociativePlasticFlow
  []
  [Erate]
    type = SR2VariableRate
    variable = 'strain'
  []
  [Eerate]
    type = SR2LinearCombination
    from = 'strain_rate plastic_strain_rate'
    to = 'elastic_strain_rate'
    weights = '1 -1'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '2e5 0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'elastic_strain'
    rate_form = true
  []
  [integrate_stress]
    type = SR2BackwardEulerTimeIntegration
    variable = 'stress'
  []
  [integrate_ep]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'equivalent_plastic_strain'
  []
  [integrate_X1]
    type = SR2BackwardEulerTimeIntegration
    variable = 'X1'
  []
  [integrate_X2]
    type = SR2BackwardEulerTimeIntegration
    variable = 'X2'
  []
  [mixed]
    type = MixedControlSetup
    x_above = 'given'
    x_below = 'found'
    y = 'stress'
    z = 'strain'
  []
  [rates]
    type = ComposedModel
    models = 'isoharden kinharden mandel_stress overstress vonmises yield_surface normality flow_rate eprate Eprate
              X1rate X2rate Erate Eerate elasticity
              integrate_stress integrate_ep integrate_X1 integrate_X2 mixed'
  []
  [previous]
    type = ConstantExtrapolationPredictor
    unknowns_SR2 = 'found X1 X2'
    unknowns_Scalar = 'equivalent_plastic_strain'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'system'
    solver = 'newton'
    predictor = 'previous'
  []
  [model]
    type = ComposedModel
    models = 'update mixed'
    additional_outputs = 'found'
  []
[]

[EquationSystems]
  [system]
    type = NonlinearSystem
    model = 'rates'
    unknowns = 'found equivalent_plastic_strain X1 X2'
    residuals = 'stress_residual equivalent_plastic_strain_residual X1_residual X2_residual'
  []
[]

[Solvers]
  [newton]
    type = Newton
  []
[]

[Calibration]
  [sy]
    type = FitParameter
    lower = 20
    upper = 300
  []
  [R]
    type = FitParameter
    parameter = 'isoharden.R'
    lower = 10
    upper = 300
  []
  [d]
    type = FitParameter
    lower = 0.5
    upper = 50
    transform = log
  []
  [eta]
    type = FitParameter
    lower = 50
    upper = 1000
    transform = log
  []
  [C1]
    type = FitParameter
    parameter = 'X1rate.C'
    lower = 5e3
    upper = 2e5
    transform = log
  []
  [g1]
    type = FitParameter
    parameter = 'X1rate.g'
    lower = 100
    upper = 2000
    transform = log
  []
  [C2]
    type = FitParameter
    parameter = 'X2rate.C'
    lower = 500
    upper = 2e4
    transform = log
  []
  [g2]
    type = FitParameter
    parameter = 'X2rate.g'
    lower = 2
    upper = 200
    transform = log
  []
  [slow]
    type = Experiment
    file = 'slow.csv'
    drive = ${pull}
  []
  [fast]
    type = Experiment
    file = 'fast.csv'
    drive = ${pull}
  []
  [growing]
    type = Experiment
    file = 'growing.csv'
    drive = ${pull}
  []
  [fit]
    type = LeastSquares
    model = 'model'
    parameters = 'sy R d eta C1 g1 C2 g2'
    experiments = 'slow fast growing'
    starts = 20
  []
[]

# The law of fcc.i in the axes of the lattice, where Schmid tensors and stiffness are constant: the rate of deformation
# and the vorticity are turned into them, and stress and spin back. Needs turned.py.
!include cubic.i

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
    stress = 'lattice_stress'
    orientation = 'no_turn'
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
  [lattice]
    type = R2ConstantParameter
    value = '1 0 0 0 1 0 0 0 1'
  []
  [no_turn]
    type = MRPConstantParameter
    value = '0 0 0'
  []
  [rate_in_lattice]
    type = RotatedSR2
    tensor = 'deformation_rate'
    rotation = 'orientation_matrix'
    rotated = 'lattice_deformation_rate'
    inverse = true
  []
  [vorticity_in_lattice]
    type = RotatedWR2
    tensor = 'vorticity'
    rotation = 'orientation_matrix'
    rotated = 'lattice_vorticity'
    inverse = true
  []
  [resolved]
    type = ResolvedShear
    stress = 'lattice_stress'
    orientation_matrix = 'lattice'
  []
  [total_slip]
    type = SumSlipRates
  []
  [plastic_rate]
    type = PlasticDeformationRate
    orientation_matrix = 'lattice'
  []
  [plastic_spin]
    type = PlasticVorticity
    orientation_matrix = 'lattice'
  []
  [elastic_rate]
    type = ElasticStrainRate
    deformation_rate = 'lattice_deformation_rate'
    vorticity = 'plastic_vorticity'
  []
  [lattice_spin]
    type = OrientationRate
    vorticity = 'lattice_vorticity'
    orientation_rate = 'spin'
  []
  [spin]
    type = RotatedWR2
    tensor = 'spin'
    rotation = 'orientation_matrix'
    rotated = 'orientation_rate'
  []
  [new_strain]
    type = SR2BackwardEulerTimeIntegration
    variable = 'elastic_strain'
  []
  [new_orientation]
    type = WR2ImplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [strain_guess]
    type = CrystalPlasticityStrainPredictor
    deformation_rate = 'lattice_rate_before'
    scale = 0.1
  []
  [rotation_before]
    type = RotationMatrix
    from = 'orientation~1'
    to = 'matrix_before'
  []
  [rate_before]
    type = RotatedSR2
    tensor = 'deformation_rate'
    rotation = 'matrix_before'
    rotated = 'lattice_rate_before'
    inverse = true
  []
  [rest]
    type = ConstantExtrapolationPredictor
    unknowns_MRP = 'orientation'
  []
  [guess]
    type = ComposedModel
    models = 'rotation_before rate_before strain_guess rest'
  []
  [crystal]
    type = ComposedModel
    models = 'rotation lattice no_turn rate_in_lattice vorticity_in_lattice elasticity resolved strength slip plastic_rate
              plastic_spin elastic_rate lattice_spin spin new_strain new_orientation'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'balance'
    solver = 'newton'
    predictor = 'guess'
  []
  [stress]
    type = RotatedSR2
    tensor = 'lattice_stress'
    rotation = 'orientation_matrix'
    rotated = 'stress'
  []
  [harden]
    type = ScalarForwardEulerTimeIntegration
    variable = 'slip_hardening'
  []
  [model]
    type = ComposedModel
    models = 'update rotation lattice no_turn elasticity resolved strength slip total_slip hardening harden stress'
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

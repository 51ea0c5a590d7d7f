# The crystals of a Taylor polycrystal rolled for a long time: orientations turn far, and are moved back
# into the unit ball.
!include coupled.i

[Models]
  [slip]
    type = PowerLawSlipRule
    n = 6
    gamma0 = 1
  []
  [strength]
    type = SingleSlipStrengthMap
    constant_strength = 30
  []
  [hardening]
    type = VoceSingleSlipHardeningRule
    initial_slope = 500
    saturated_hardening = 10
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '1e5 0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'elastic_strain'
  []
  [strain_guess]
    type = CrystalPlasticityStrainPredictor
    scale = 0.05
  []
  [inside]
    type = FixOrientation
    input = 'orientation'
    output = 'orientation'
  []
  [model]
    type = ComposedModel
    models = 'update inside elasticity'
    additional_outputs = 'elastic_strain'
  []
[]

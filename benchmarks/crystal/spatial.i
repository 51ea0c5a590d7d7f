# Small elastic strains in a lattice that turns: rates in the current configuration, driven by a velocity gradient.
!include crystal.i

[Models]
  [rotation]
    type = RotationMatrix
    from = 'orientation${orientation_of}'
    to = 'orientation_matrix'
  []
  [resolved]
    type = ResolvedShear
  []
  [elastic_rate]
    type = ElasticStrainRate
  []
  [plastic_rate]
    type = PlasticDeformationRate
  []
  [plastic_spin]
    type = PlasticVorticity
  []
  [lattice_spin]
    type = OrientationRate
  []
  [new_strain]
    type = SR2BackwardEulerTimeIntegration
    variable = 'elastic_strain'
  []
  [new_hardening]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'slip_hardening'
  []
  [guess_strain]
    type = CrystalPlasticityStrainPredictor
    scale = ${first_guess}
  []
[]

# Rates of a small elastic strain in a lattice that turns, driven by rate of deformation and vorticity.
!include cubic.i

[Models]
  [resolved]
    type = ResolvedShear
  []
  [total_slip]
    type = SumSlipRates
  []
  [plastic_rate]
    type = PlasticDeformationRate
  []
  [plastic_spin]
    type = PlasticVorticity
  []
  [elastic_rate]
    type = ElasticStrainRate
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
[]

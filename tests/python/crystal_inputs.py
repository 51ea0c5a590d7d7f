# SPDX-License-Identifier: MIT
"""Input files of crystals: twelve slip systems of a cubic lattice, and a crystal that strains, turns and hardens."""

from __future__ import annotations

GEOMETRY = """
[Data]
  [crystal_geometry]
    type = CubicCrystal
    lattice_parameter = 3.6
    slip_directions = 'd'
    slip_planes = 'n'
  []
[]
[Tensors]
  [d]
    type = Python
    expr = 'MillerIndex(torch.tensor([1, 1, 0]))'
  []
  [n]
    type = Python
    expr = 'MillerIndex(torch.tensor([1, 1, 1]))'
  []
  [C]
    type = Python
    expr = '''
      c = torch.zeros(6, 6, dtype=torch.float64)
      c[:3, :3] = 120e3
      c += torch.diag(torch.tensor([50e3] * 3 + [150e3] * 3, dtype=torch.float64))
      result = SSR4(c)
    '''
  []
  [strengths]
    type = Python
    expr = 'Scalar(torch.linspace(40.0, 62.0, 12, dtype=torch.float64), sub_batch_ndim=1)'
  []
[]
"""

CRYSTAL = (
    GEOMETRY
    + """
[Models]
  [R]
    type = RotationMatrix
    from = 'orientation'
    to = 'orientation_matrix'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '1e5 0.25'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'elastic_strain'
    stress = 'stress'
  []
  [tau]
    type = ResolvedShear
  []
  [rates]
    type = PowerLawSlipRule
    gamma0 = 0.2
    n = 8
  []
  [strength]
    type = SingleSlipStrengthMap
    constant_strength = ${strength}
  []
  [total]
    type = SumSlipRates
  []
  [voce]
    type = VoceSingleSlipHardeningRule
    initial_slope = 500
    saturated_hardening = 50
  []
  [dp]
    type = PlasticDeformationRate
  []
  [wp]
    type = PlasticVorticity
  []
  [strain_rate]
    type = ElasticStrainRate
  []
  [spin]
    type = OrientationRate
  []
  [strain_residual]
    type = SR2BackwardEulerTimeIntegration
    variable = 'elastic_strain'
  []
  [hardening_residual]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'slip_hardening'
  []
  [orientation_residual]
    type = WR2ImplicitExponentialTimeIntegration
    variable = 'orientation'
  []
  [residual]
    type = ComposedModel
    models = 'R elasticity tau rates strength total voce dp wp strain_rate spin
              strain_residual hardening_residual orientation_residual'
  []
  [strain_guess]
    type = CrystalPlasticityStrainPredictor
    scale = 0.1
  []
  [other_guesses]
    type = ConstantExtrapolationPredictor
    unknowns_Scalar = 'slip_hardening'
    unknowns_MRP = 'orientation'
  []
  [predictor]
    type = ComposedModel
    models = 'strain_guess other_guesses'
  []
  [hardening]
    type = ComposedModel
    models = 'voce hardening_residual'
  []
  [hardening_update]
    type = ImplicitUpdate
    equation_system = 'hardening_eq'
    solver = 'newton'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'eq'
    solver = 'newton'
    predictor = 'predictor'
  []
[]
[EquationSystems]
  [hardening_eq]
    type = NonlinearSystem
    model = 'hardening'
    unknowns = 'slip_hardening'
  []
  [eq]
    type = NonlinearSystem
    model = 'residual'
    unknowns = 'elastic_strain slip_hardening orientation'
    structure = '${structure}'
  []
[]
[Solvers]
  [newton]
    type = NewtonWithLineSearch
    max_its = 50
  []
[]
"""
)

# SPDX-License-Identifier: MIT
"""Input files of reactions and of fracture: a reaction of first order, the infiltration of a porous solid, and a phase
field."""

from __future__ import annotations

from input_texts import implicit_update

REACTION = (
    implicit_update("residual", scalars="a", solver_options="max_its = 2")
    + """
[Models]
  [rate]
    type = ContractingGeometry
    coef = 0.7
    order = 1
    conversion_degree = 'a'
    reaction_rate = 'a_rate'
  []
  [step]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'a'
  []
  [residual]
    type = ComposedModel
    models = 'rate step'
  []
[]
"""
)

INFILTRATION = (
    implicit_update("residual", scalars="phi_S phi_P")
    + """
[Models]
  [channel]
    type = CylindricalChannelGeometry
    solid_fraction = 'phi_S'
    product_fraction = 'phi_P'
  []
  [solid]
    type = HermiteSmoothStep
    argument = 'phi_S'
    value = 'R_S'
    lower_bound = 0
    upper_bound = 0.1
  []
  [reaction]
    type = DiffusionLimitedReaction
    product_inner_radius = 'inner_radius'
    solid_inner_radius = 'outer_radius'
    liquid_reactivity = 'R_L'
    solid_reactivity = 'R_S'
    diffusion_coefficient = 2e-3
    molar_volume = 2
  []
  [consumption]
    type = ScalarLinearCombination
    from = 'reaction_rate'
    to = 'phi_S_rate'
    weights = '-0.5'
  []
  [production]
    type = ScalarLinearCombination
    from = 'reaction_rate'
    to = 'phi_P_rate'
    weights = '1.2'
  []
  [solid_step]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'phi_S'
  []
  [product_step]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'phi_P'
  []
  [residual]
    type = ComposedModel
    models = 'channel solid reaction consumption production solid_step product_step'
  []
[]
"""
)

FRACTURE = (
    implicit_update("driving_force", scalars="d")
    + """
[Models]
  [degradation]
    type = PowerDegradationFunction
    phase = 'd'
    degradation = 'g'
    power = 2
  []
  [elastic]
    type = LinearIsotropicStrainEnergyDensity
    strain = 'E'
    active_strain_energy_density = 'active'
    inactive_strain_energy_density = 'inactive'
    coefficients = '3 2'
    coefficient_types = 'BULK_MODULUS SHEAR_MODULUS'
    decomposition = 'VOLDEV'
  []
  [degraded]
    type = ScalarMultiplication
    from = 'g active'
    to = 'degraded'
  []
  [crack]
    type = CrackGeometricFunctionAT2
    phase = 'd'
  []
  [sum]
    type = ScalarLinearCombination
    from = 'crack degraded inactive'
    to = 'psi'
    weights = '0.4 1 1'
  []
  [energy]
    type = ComposedModel
    models = 'degradation elastic degraded crack sum'
  []
  [driving_force]
    type = Normality
    model = 'energy'
    function = 'psi'
    from = 'd'
    to = 'd_residual'
  []
  [stress]
    type = Normality
    model = 'energy'
    function = 'psi'
    from = 'E'
    to = 'S'
  []
  [model]
    type = ComposedModel
    models = 'update stress'
    additional_outputs = 'd'
  []
[]
"""
)

# SPDX-License-Identifier: MIT
"""Input files of transport on cells: diffusion and advection between closed ends, and precipitates that nucleate and
grow."""

from __future__ import annotations

from input_texts import implicit_update

CELLS = 12

GRID = f"""[Tensors]
  [e]
    type = Python
    expr = 'linspace(Scalar(0.0).sub_batch, Scalar(1.0).sub_batch, {CELLS + 1})'
  []
  [x]
    type = Python
    expr = '0.5 * (e.sub_batch[1:] + e.sub_batch[:-1])'
  []
  [width]
    type = Python
    expr = 'diff(e.sub_batch)'
  []
  [distance]
    type = Python
    expr = 'diff(x.sub_batch)'
  []
[]
[Models]
  [left]
    type = FiniteVolumeAppendBoundaryCondition
    input = 'J'
    bc_value = 0
  []
  [right]
    type = FiniteVolumeAppendBoundaryCondition
    input = 'J_with_bc_left'
    bc_value = 0
    side = 'right'
  []
  [rate]
    type = FiniteVolumeGradient
    u = 'J_with_bc_left_with_bc_right'
    dx = 'width'
    grad_u = 'transport'
  []
  [step]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'u'
  []
[]
"""


TRANSPORT = (
    GRID
    + implicit_update("residual", scalars="u")
    + f"""
[Settings]
  [example_batch_shape]
    u = '(;{CELLS})'
    v = '(;{CELLS})'
  []
[]
[Models]
  [diffusion]
    type = FiniteVolumeGradient
    u = 'u'
    prefactor = 'D'
    dx = 'distance'
  []
  [velocity]
    type = LinearlyInterpolateToCellEdges
    cell_values = 'v'
    cell_centers = 'x'
    cell_edges = 'e'
  []
  [advection]
    type = FiniteVolumeUpwindedAdvectiveFlux
    u = 'u'
    v_edge = 'edge_values'
  []
  [flux]
    type = ScalarLinearCombination
    from = 'grad_u flux'
    to = 'J'
  []
  [total]
    type = ScalarLinearCombination
    from = 'transport'
    to = 'u_rate'
  []
  [residual]
    type = ComposedModel
    models = 'diffusion velocity advection flux left right rate total step'
  []
[]
"""
)
"""`update` solves for the concentration u of the cells, of which [0, 1] has CELLS, given the diffusivity D and the
velocity v in each cell."""


PRECIPITATION = (
    GRID
    + implicit_update("residual", scalars="u")
    + """
[Tensors]
  [start]
    type = Python
    expr = '1e-3 * exp(-8 * x)'
  []
  [times]
    type = Python
    expr = 'Scalar([0.0, 0.05, 0.1, 0.15, 0.2])'
  []
[]
[Drivers]
  [grow]
    type = TransientDriver
    model = 'update'
    prescribed_time = 'times'
    ic_Scalar_names = 'u'
    ic_Scalar_values = 'start'
  []
[]
[Models]
  [temperature]
    type = ScalarConstantParameter
    value = 700
    parameter = 'T'
  []
  [fraction]
    type = PrecipitateVolumeFraction
    radius = 'x'
    number_density = 'u'
    volume_fraction = 'f'
  []
  [matrix]
    type = CurrentConcentration
    precipitate_volume_fractions = 'f'
    initial_concentration = 0.1
    precipitate_concentrations = 0.6
    current_concentration = 'c'
  []
  [force]
    type = IdealSolutionVolumetricDrivingForce
    temperature = 'T'
    current_concentrations = 'c'
    equilibrium_concentrations = 0.02
    gas_constant = 8.3
  []
  [diffusivities]
    type = ProjectedDiffusivitySum
    far_field_concentrations = 'c'
    concentration_differences = 0.5
    diffusivities = 40
  []
  [growth]
    type = SFFKPrecipitationGrowthRate
    radius = 'x'
    gibbs_free_energy_difference = 'force'
    temperature = 'T'
    gas_constant = 8.3
  []
  [speed]
    type = LinearlyInterpolateToCellEdges
    cell_values = 'growth_rate'
    cell_centers = 'x'
    cell_edges = 'e'
  []
  [advection]
    type = FiniteVolumeUpwindedAdvectiveFlux
    u = 'u'
    v_edge = 'edge_values'
    flux = 'J'
  []
  [nucleus]
    type = NucleationBarrierAndCriticalRadius
    surface_energy = 100
    total_gibbs_free_energy_difference = 'force'
    molar_volume = 2
  []
  [zeldovich]
    type = ZeldovichFactor
    temperature = 'T'
    surface_energy = 100
    molar_volume = 2
    avogadro_number = 5
    boltzmann_constant = 8
  []
  [attachment]
    type = KineticFactor
    molar_volume = 2
    avogadro_number = 5
  []
  [nucleation]
    type = NucleationFluxMagnitude
    temperature = 'T'
    nucleation_site_density = 1e-3
    boltzmann_constant = 8
  []
  [source]
    type = DumpInSmallestBin
    magnitude = 'nucleation_flux_magnitude'
    dumped_source = 'source'
    cell_centers = 'x'
  []
  [total]
    type = ScalarLinearCombination
    from = 'transport source'
    to = 'u_rate'
  []
  [state]
    type = ComposedModel
    models = 'temperature fraction matrix force nucleus diffusivities growth zeldovich attachment nucleation'
    additional_outputs = 'f c driving_force projected_diffusivity_sum critical_radius'
  []
  [residual]
    type = ComposedModel
    models = 'state speed advection left right rate source total step'
  []
[]
"""
)
"""`update` solves for the number u of particles in each of CELLS bins of radii from 0 to 1. The number of bins
is only to be seen in the driver's initial value."""

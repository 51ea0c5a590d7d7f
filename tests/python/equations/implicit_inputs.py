# SPDX-License-Identifier: MIT
"""Input files of implicit models, and independent solutions of what they state."""

import math

import neml2
from neml2.hit import load_string

SOLVER = """
[Solvers]
  [newton]
    type = Newton
  []
[]
"""

DECAY = (
    """
[Models]
  [rate]
    type = ScalarLinearCombination
    from = 'x'
    to = 'x_rate'
    weights = 'k'
  []
  [integrate]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'x'
  []
  [decay]
    type = ComposedModel
    models = 'rate integrate'
  []
  [predictor]
    type = ConstantExtrapolationPredictor
    unknowns_Scalar = 'x'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'eq'
    solver = 'newton'
    predictor = 'predictor'
  []
[]
[Tensors]
  [k]
    type = Python
    expr = 'Scalar(torch.tensor(-2.0, dtype=torch.float64))'
  []
[]
[EquationSystems]
  [eq]
    type = NonlinearSystem
    model = 'decay'
    unknowns = 'x'
  []
[]
"""
    + SOLVER
)

E, NU, SY, H, ETA, N = 1.0e5, 0.3, 50.0, 2000.0, 200.0, 3.0
G = E / (2 * (1 + NU))

PERZYNA = (
    f"""
[Models]
  [elastic_strain]
    type = SR2LinearCombination
    from = 'strain plastic_strain'
    to = 'elastic_strain'
    weights = '1 -1'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '{E} {NU}'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'elastic_strain'
  []
  [mandel]
    type = IsotropicMandelStress
    cauchy_stress = 'stress'
  []
  [vonmises]
    type = SR2Invariant
    invariant_type = 'VONMISES'
    tensor = 'mandel_stress'
    invariant = 'effective_stress'
  []
  [hardening]
    type = LinearIsotropicHardening
    hardening_modulus = {H}
  []
  [surface]
    type = YieldFunction
    yield_stress = {SY}
    isotropic_hardening = 'isotropic_hardening'
  []
  [flow]
    type = ComposedModel
    models = 'vonmises surface'
  []
  [normality]
    type = Normality
    model = 'flow'
    function = 'yield_function'
    from = 'mandel_stress isotropic_hardening'
    to = 'flow_direction isotropic_hardening_direction'
  []
  [rate]
    type = PerzynaPlasticFlowRate
    reference_stress = {ETA}
    exponent = {N}
  []
  [Ep_rate]
    type = AssociativePlasticFlow
  []
  [ep_rate]
    type = AssociativeIsotropicPlasticHardening
  []
  [integrate_Ep]
    type = SR2BackwardEulerTimeIntegration
    variable = 'plastic_strain'
  []
  [integrate_ep]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'equivalent_plastic_strain'
  []
  [residual]
    type = ComposedModel
    models = 'elastic_strain elasticity mandel vonmises hardening surface normality rate Ep_rate ep_rate
              integrate_Ep integrate_ep'
  []
  [predictor]
    type = ConstantExtrapolationPredictor
    unknowns_SR2 = 'plastic_strain'
    unknowns_Scalar = 'equivalent_plastic_strain'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'eq'
    solver = 'newton'
    predictor = 'predictor'
  []
  [model]
    type = ComposedModel
    models = 'update elastic_strain elasticity'
    additional_outputs = 'plastic_strain equivalent_plastic_strain'
  []
[]
[EquationSystems]
  [eq]
    type = NonlinearSystem
    model = 'residual'
    unknowns = 'plastic_strain equivalent_plastic_strain'
  []
[]
"""
    + SOLVER
)


def load(text: str, *overrides: str) -> neml2.hit.InputFile:
    return load_string(text, additional_args=overrides)


def scalar_perzyna_step(trial: float, ep_old: float, dt: float) -> tuple[float, float]:
    """Equivalent stress and strain after one backward Euler step from the trial equivalent stress, by bisection of
    d ep = c dt <c (q - 3 G d ep - sy - H ep)/eta>^n, with c = sqrt(2/3) from f = c (q - sy - H ep)."""
    c = math.sqrt(2 / 3)

    def excess(dg: float) -> float:
        over = trial - 3 * G * dg - SY - H * (ep_old + dg)
        return dg - c * dt * (c * max(over, 0.0) / ETA) ** N

    low, high = 0.0, max((trial - SY) / (3 * G), 0.0) + 1e-12
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    dg = 0.5 * (low + high)
    return trial - 3 * G * dg, ep_old + dg


def uniaxial_deviatoric(amplitude: float) -> list[float]:
    """Mandel components of a deviatoric strain whose equivalent elastic stress is 3 G amplitude."""
    return [amplitude, -0.5 * amplitude, -0.5 * amplitude, 0.0, 0.0, 0.0]


def von_mises(stress: list[float]) -> float:
    mean = sum(stress[:3]) / 3
    deviator = [s - mean for s in stress[:3]] + list(stress[3:])
    return math.sqrt(1.5 * sum(s * s for s in deviator))

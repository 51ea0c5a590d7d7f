# SPDX-License-Identifier: MIT
"""Texts of input files that tests of several rooms use. Sections may be repeated: a test adds what else it needs."""

from __future__ import annotations

ELASTICITY = """\
[Models]
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients      = '200e3          0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
  []
[]
"""


def implicit_update(
    residual: str,
    *,
    tensors: str = "",
    scalars: str = "",
    options: str = "",
    solver: str = "Newton",
    solver_options: str = "",
) -> str:
    """The model `update`: it solves the model `residual` for unknowns of type SR2 (`tensors`) and Scalar (`scalars`) by
    Newton's method, from their old values."""
    unknowns = {"unknowns_SR2": tensors, "unknowns_Scalar": scalars}
    guessed = "\n    ".join(f"{option} = '{names}'" for option, names in unknowns.items() if names)
    return f"""\
[Models]
  [predictor]
    type = ConstantExtrapolationPredictor
    {guessed}
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'eq'
    solver = 'newton'
    predictor = 'predictor'
    {options}
  []
[]
[EquationSystems]
  [eq]
    type = NonlinearSystem
    model = '{residual}'
    unknowns = '{tensors} {scalars}'
  []
[]
[Solvers]
  [newton]
    type = {solver}
    {solver_options}
  []
[]
"""


def decay(weight: float | str = -2) -> str:
    """x' = weight x by backward Euler: the model `update` of the residual `decay`."""
    return f"""\
[Models]
  [rate]
    type = ScalarLinearCombination
    from = 'x'
    to = 'x_rate'
    weights = '{weight}'
  []
  [integrate]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'x'
  []
  [decay]
    type = ComposedModel
    models = 'rate integrate'
  []
[]
""" + implicit_update("decay", scalars="x")


YOUNGS_MODULUS, POISSONS_RATIO = 1e5, 0.3
"""Of the viscoplastic materials below."""


def _material(
    yield_stress: float, reference_stress: float, exponent: float, hardening: float | None, *, rate_form: bool
) -> tuple[str, str]:
    """Elasticity, in strains or in rates, and Perzyna's flow rule, with linear isotropic hardening where `hardening` is
    its modulus: their models, and the names of those that a residual is composed of."""
    names = "elasticity mandel_stress vonmises yield_surface normality rate plastic_strain_rate"
    text = f"""\
[Models]
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '{YOUNGS_MODULUS} {POISSONS_RATIO}'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'elastic_strain'
    rate_form = {str(rate_form).lower()}
  []
  [mandel_stress]
    type = IsotropicMandelStress
    cauchy_stress = 'stress'
  []
  [vonmises]
    type = SR2Invariant
    invariant_type = 'VONMISES'
    tensor = 'mandel_stress'
    invariant = 'effective_stress'
  []
  [yield_surface]
    type = YieldFunction
    yield_stress = {yield_stress}
    {"" if hardening is None else "isotropic_hardening = 'isotropic_hardening'"}
  []
  [flow]
    type = ComposedModel
    models = 'vonmises yield_surface'
  []
  [normality]
    type = Normality
    model = 'flow'
    function = 'yield_function'
    from = 'mandel_stress {"" if hardening is None else "isotropic_hardening"}'
    to = 'flow_direction {"" if hardening is None else "isotropic_hardening_direction"}'
  []
  [rate]
    type = PerzynaPlasticFlowRate
    reference_stress = {reference_stress}
    exponent = {exponent}
  []
  [plastic_strain_rate]
    type = AssociativePlasticFlow
  []
[]
"""
    if hardening is None:
        return text, names
    text += f"""\
[Models]
  [isoharden]
    type = LinearIsotropicHardening
    hardening_modulus = {hardening}
  []
  [equivalent_plastic_strain_rate]
    type = AssociativeIsotropicPlasticHardening
  []
  [integrate_ep]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'equivalent_plastic_strain'
  []
[]
"""
    return text, f"{names} isoharden equivalent_plastic_strain_rate integrate_ep"


def viscoplasticity(
    yield_stress: float, reference_stress: float, exponent: float, hardening: float | None = None, **update: str
) -> str:
    """Perzyna viscoplasticity that is solved for the plastic strain, and where it hardens for the equivalent plastic
    strain: the model `update`, with these options of implicit_update, and `model`, which gives the stress too."""
    material, names = _material(yield_stress, reference_stress, exponent, hardening, rate_form=False)
    scalars = "" if hardening is None else "equivalent_plastic_strain"
    return f"""\
{material}[Models]
  [elastic_strain]
    type = SR2LinearCombination
    from = 'strain plastic_strain'
    to = 'elastic_strain'
    weights = '1 -1'
  []
  [integrate]
    type = SR2BackwardEulerTimeIntegration
    variable = 'plastic_strain'
  []
  [residual]
    type = ComposedModel
    models = 'elastic_strain {names} integrate'
  []
  [model]
    type = ComposedModel
    models = 'update elastic_strain elasticity'
    additional_outputs = 'plastic_strain {scalars}'
  []
[]
""" + implicit_update("residual", tensors="plastic_strain", scalars=scalars, **update)


def viscoplasticity_in_rates(
    yield_stress: float, reference_stress: float, exponent: float, hardening: float | None = None, **update: str
) -> str:
    """Perzyna viscoplasticity that is solved for the stress, and where it hardens for the equivalent plastic strain, by
    the residual `rates`: the model `update`, with these options of implicit_update."""
    material, names = _material(yield_stress, reference_stress, exponent, hardening, rate_form=True)
    scalars = "" if hardening is None else "equivalent_plastic_strain"
    return f"""\
{material}[Models]
  [strain_rate]
    type = SR2VariableRate
    variable = 'strain'
  []
  [elastic_strain_rate]
    type = SR2LinearCombination
    from = 'strain_rate plastic_strain_rate'
    to = 'elastic_strain_rate'
    weights = '1 -1'
  []
  [integrate]
    type = SR2BackwardEulerTimeIntegration
    variable = 'stress'
  []
  [rates]
    type = ComposedModel
    models = 'strain_rate {names} elastic_strain_rate integrate'
  []
[]
""" + implicit_update("rates", tensors="stress", scalars=scalars, **update)

# SPDX-License-Identifier: MIT
"""What the tests of native kernels share: programs built by hand, kernels built once, input files of small models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch

from neml2.compiler import isa
from neml2.compiler.build import Builder, Request
from neml2.compiler.native import host, interpret, kernel, program, toolchain
from neml2.compiler.native.program import Argument, Assign, Program
from neml2.compiler.pointgraph import PointGraph
from neml2.hit import load_string

LEVELS = list(isa.LEVELS)[list(isa.LEVELS).index(isa.best()) :]
"""The instruction sets that this CPU has, best first."""


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="neml2-native-"))


def built(made: Program, level: str | None = None, scalar: str = "double") -> host.Library:
    """A program, compiled and loaded."""
    text = kernel.source(made, scalar)
    path = _folder() / f"{abs(hash((text, level)))}.so"
    return host.Library(path if path.exists() else toolchain.build(text, path, level))


def explicit(sizes: Sequence[int], nodes: Callable[..., list[int]], pairs: list[tuple[int, int]] = ()) -> Program:  # type: ignore[assignment]
    """A program of inputs x0, x1, ... of these sizes and one output, whose components `nodes(graph, *inputs)` gives."""
    graph = PointGraph()
    starts = np.cumsum([0, *sizes])
    inputs = [Argument(f"x{k}", "Vec", (n,), int(s)) for k, (n, s) in enumerate(zip(sizes, starts, strict=False))]
    made = nodes(graph, *([graph.input(c) for c in a.components] for a in inputs))
    size = int(starts[-1])
    output = Argument("y", "Vec", (len(made),), size)
    steps = [Assign([(size + i, n) for i, n in enumerate(made)])]
    return program.assemble("explicit", graph, inputs, 0, [output], list(pairs), steps, size + len(made))


def from_text(text: str, model: str, pairs: Sequence[str] = (), promoted: Sequence[str] = ()) -> tuple[Any, Program]:
    """A model of an input file, and its program."""
    loaded = load_string(text).get_model(model)
    request = Request(list(promoted), [tuple(p.split(":")) for p in pairs])  # type: ignore[misc]
    builder = Builder(loaded, request, torch.float64)
    builder.build()
    return loaded, program.from_builder(builder)


def state_of(made: Program, values: dict[str, np.ndarray], points: int, tangents: dict[str, np.ndarray] | None = None):
    """The state of `points` points, for interpret.run."""
    state: dict[int, np.ndarray] = {}
    for k, a in enumerate(made.inputs):
        value = values.get(a.name)
        flat = np.broadcast_to(
            a.value if value is None else value, (points, *a.shape) if value is not None else (points, a.size)
        )
        columns = flat.reshape(points, -1)
        state.update({c: columns[:, i].copy() for i, c in enumerate(a.components)})
        moving = (tangents or {}).get(a.name, np.zeros((points, *a.shape))).reshape(points, -1)
        state.update({c: moving[:, i].copy() for i, c in enumerate(made.tangent_components(k))})
    return state


def reference(made: Program, function: str, values: dict[str, np.ndarray], points: int, tangents=None):
    """Outputs and derivatives by the interpreter, each (points, size), and the solutions of its systems."""
    found = made.functions()[function]
    outputs, derivatives, solutions = interpret.run(made, found, state_of(made, values, points, tangents))
    return [o.T for o in outputs], [d.T for d in derivatives], solutions


VISCOPLASTIC = """
[Models]
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
  [isoharden]
    type = LinearIsotropicHardening
    hardening_modulus = 1000
  []
  [yield_surface]
    type = YieldFunction
    yield_stress = 5
    isotropic_hardening = 'isotropic_hardening'
  []
  [flow]
    type = ComposedModel
    models = 'vonmises yield_surface'
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
    reference_stress = 100
    exponent = 2.5
  []
  [Eprate]
    type = AssociativePlasticFlow
  []
  [eprate]
    type = AssociativeIsotropicPlasticHardening
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
    coefficients = '1e5 0.3'
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
  [implicit_rate]
    type = ComposedModel
    models = 'mandel_stress vonmises isoharden yield_surface normality flow_rate Eprate eprate Erate Eerate elasticity
              integrate_stress integrate_ep'
  []
  [predictor]
    type = ConstantExtrapolationPredictor
    unknowns_SR2 = 'stress'
    unknowns_Scalar = 'equivalent_plastic_strain'
  []
  [update]
    type = ImplicitUpdate
    equation_system = 'eq_sys'
    solver = 'newton'
    predictor = 'predictor'
    {update}
  []
  [after]
    type = SR2Invariant
    invariant_type = 'VONMISES'
    tensor = 'stress'
    invariant = 'equivalent_stress'
  []
  [model]
    type = ComposedModel
    models = 'update after'
    additional_outputs = 'stress equivalent_plastic_strain'
  []
[]
[EquationSystems]
  [eq_sys]
    type = NonlinearSystem
    model = 'implicit_rate'
    unknowns = 'stress equivalent_plastic_strain'
  []
[]
[Solvers]
  [newton]
    type = {solver}
    linear_solver = 'lu'
    {options}
  []
  [lu]
    type = DenseLU
  []
[]
"""


def viscoplastic(solver: str = "Newton", options: str = "", update: str = "") -> str:
    """Viscoplasticity with a predictor before and a model behind the implicit update."""
    return VISCOPLASTIC.format(solver=solver, options=options, update=update)


def steps_of(points: int, seed: int = 0, size: float = 2e-3) -> dict[str, np.ndarray]:
    """Inputs of the model above: random states and strain increments, some elastic, some far into plasticity."""
    rng = np.random.default_rng(seed)
    old = rng.normal(size=(points, 6)) * 1e-3
    return {
        "strain~1": old,
        "strain": old + rng.normal(size=(points, 6)) * size * rng.uniform(0, 1, (points, 1)) ** 2,
        "t~1": np.zeros(points),
        "t": rng.uniform(0.1, 10, points),
        "stress~1": rng.normal(size=(points, 6)) * 3,
        "equivalent_plastic_strain~1": rng.uniform(0, 1e-2, points),
    }

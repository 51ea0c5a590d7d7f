# SPDX-License-Identifier: MIT
"""Implicit models to compile, and walks along a strain ramp, eager and compiled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import neml2
from input_texts import implicit_update, viscoplasticity
from neml2.aoti import Model
from neml2.hit import load_string
from support import ROOT

BENCHMARKS = ROOT / "benchmarks" / "implicit"
ISOHARDEN = (BENCHMARKS / "isoharden.i").read_text()
CHABOCHE = (BENCHMARKS / "chaboche2.i").read_text()
RADRET = (BENCHMARKS / "radret.i").read_text()
F64 = torch.float64

HARDENING = "rates.isoharden.K"
YIELD = "rates.normality.flow.yield_surface.sy"
ISOHARDEN_FLAGS = ("-d", ":", "-d", f":{HARDENING}", "-d", f":{YIELD}", "-p", HARDENING, "-p", YIELD)

# Perzyna viscoplasticity whose unknown is the plastic strain. The Newton solver is given so few iterations that large
# steps fail; then the step is cut.
CUT = viscoplasticity(
    50,
    200,
    3,
    solver_options="max_its = 9\n    abs_tol = 1e-12",
    options="max_substepping_level = 4\n    incremental_variables = 'strain'",
)

# Input files and what else is compiled, of the model `model` of each.
CASES = {
    "isoharden": (ISOHARDEN, ISOHARDEN_FLAGS),
    "chaboche2": (CHABOCHE, ("-d", "stress:strain")),
    "radret": (RADRET, ("-d", "stress:", "-d", "gamma:strain")),
}

# x' = -x^3 with backward Euler, and beside it z = 2 y, which has nothing to do with it.
CUBIC_DECAY = """\
[Models]
  [square]
    type = ScalarMultiplication
    from = 'x x'
    to = 'square'
  []
  [rate]
    type = ScalarMultiplication
    from = 'square x'
    to = 'x_rate'
    scaling = -1
  []
  [integrate]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'x'
  []
  [decay]
    type = ComposedModel
    models = 'square rate integrate'
  []
  [double]
    type = ScalarLinearCombination
    from = 'y'
    to = 'z'
    weights = '2'
  []
  [model]
    type = ComposedModel
    models = 'update double'
  []
[]
""" + implicit_update("decay", scalars="x", solver_options="rel_tol = 1e-12")


def inner(stub: Path, *overrides: str) -> Model:
    """The bare compiled model behind a stub."""
    return neml2.load_input(stub, post=overrides).get_model("model")._inner


def eager(text: str, *overrides: str) -> Any:
    return load_string(text, additional_args=overrides).get_model("model")


def ramp(batch: int, step: int, steps: int = 20, amplitude: float = 0.02) -> dict[str, torch.Tensor]:
    """Strain and time of a step: directions and rates differ from point to point."""
    generator = torch.Generator().manual_seed(7)
    direction = torch.randn(batch, 6, generator=generator, dtype=F64)
    end = torch.logspace(-1, 4, batch, dtype=F64)
    return {"strain": direction * (amplitude * step / steps), "t": end * (step / steps)}


def step_inputs(
    model: Any, step: int, forces: Mapping[str, torch.Tensor], before: list[Mapping[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Inputs of a step: `before[k-1]` holds inputs and outputs k steps ago; what is not there is zero."""
    found = {}
    for name in input_shapes(model):
        base, _, lag = name.partition("~")
        past = before[int(lag) - 1] if lag and len(before) >= int(lag) else {}
        value = forces.get(name) if not lag else past.get(base)
        if value is None:
            batch = forces["t"].shape
            value = torch.zeros(*batch, *input_shapes(model)[name], dtype=F64)
        found[name] = value
    return found


def input_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    if isinstance(model, Model):
        return {name: tuple(shape) for name, shape in model.input_base_shapes.items()}
    return {name: tuple(type_.BASE_SHAPE) for name, type_ in model.input_spec.items()}


def evaluate(model: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Outputs by name, as tensors, of an eager or compiled model."""
    if isinstance(model, Model):
        return dict(model.forward(dict(inputs)))
    with torch.no_grad():
        values = model.evaluate({name: model.input_spec[name](value) for name, value in inputs.items()})
    return {name: value.data for name, value in values.items()}


def walk(model: Any, batch: int, steps: int = 20, **options: float) -> list[dict[str, torch.Tensor]]:
    """Inputs and outputs of every step of a ramp, after the first, which is at rest."""
    past: list[dict[str, torch.Tensor]] = [ramp(batch, 0, steps, **options)]
    found = []
    for step in range(1, steps + 1):
        inputs = step_inputs(model, step, ramp(batch, step, steps, **options), past)
        outputs = evaluate(model, inputs)
        found.append({"inputs": inputs, "outputs": outputs})
        past.insert(0, {**inputs, **outputs})
    return found


def loaded(model: Any, batch: int, at: int = 12, steps: int = 20, **options: float) -> dict[str, torch.Tensor]:
    """Inputs of one step in the middle of a ramp, with plastic flow behind it."""
    return walk(model, batch, steps, **options)[at]["inputs"]


def central_difference(call: Any, value: torch.Tensor, component: int, h: float) -> torch.Tensor:
    """d call / d component (of the flattened base axes) of a batch of values, by the fourth order rule."""

    def shifted(factor: float) -> torch.Tensor:
        moved = value.clone()
        moved.view(value.shape[0], -1)[:, component] += factor * h
        return call(moved)

    return (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * h)

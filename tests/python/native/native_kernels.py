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

from input_texts import viscoplasticity_in_rates
from neml2.compiler.backends.native import host, toolchain
from neml2.compiler.backends.native.lower import program_of
from neml2.compiler.backends.native.text import kernel
from neml2.compiler.graph import interpret
from neml2.compiler.graph.assemble import assemble
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.graph.program import Argument, Assign, Program
from neml2.compiler.package import isa
from neml2.compiler.plan.layout import Request
from neml2.compiler.plan.segments import capture_model
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


def explicit(sizes: Sequence[int], nodes: Callable[..., list[int]], pairs: Sequence[tuple[int, int]] = ()) -> Program:
    """A program of inputs x0, x1, ... of these sizes and one output, whose components `nodes(graph, *inputs)` gives."""
    graph = PointGraph()
    starts = np.cumsum([0, *sizes])
    inputs = [Argument(f"x{k}", "Vec", (n,), int(s)) for k, (n, s) in enumerate(zip(sizes, starts, strict=False))]
    made = nodes(graph, *([graph.input(c) for c in a.components] for a in inputs))
    size = int(starts[-1])
    output = Argument("y", "Vec", (len(made),), size)
    steps = [Assign([(size + i, n) for i, n in enumerate(made)])]
    return assemble("explicit", graph, inputs, 0, [output], list(pairs), steps, size + len(made))


def from_text(text: str, model: str, pairs: Sequence[str] = (), promoted: Sequence[str] = ()) -> tuple[Any, Program]:
    """A model of an input file, and its program."""
    loaded = load_string(text).get_model(model)
    request = Request(list(promoted), [tuple(p.split(":")) for p in pairs])  # type: ignore[misc]
    return loaded, program_of(capture_model(loaded, request, torch.float64))


def state_of(
    made: Program,
    values: dict[str, np.ndarray],
    points: int,
    directions: dict[str, np.ndarray] | None = None,
    function: str = "jvp",
):
    """The state of `points` points, for interpret.run."""
    state: dict[int, np.ndarray] = {}
    for a in made.inputs:
        value = values.get(a.name)
        flat = np.broadcast_to(
            a.value if value is None else value, (points, *a.shape) if value is not None else (points, a.size)
        )
        columns = flat.reshape(points, -1)
        state.update({c: columns[:, i].copy() for i, c in enumerate(a.components)})
    arguments = made.outputs if function == "vjp" else made.inputs
    for k, places in made.directions(function).items():
        a = arguments[k]
        moving = (directions or {}).get(a.name, np.zeros((points, *a.shape))).reshape(points, -1)
        state.update({c: moving[:, i].copy() for i, c in enumerate(places)})
    return state


def reference(made: Program, function: str, values: dict[str, np.ndarray], points: int, directions=None):
    """Outputs and derivatives by the interpreter, each (points, size), and the solutions of its systems."""
    found = made.functions()[function]
    outputs, derivatives, solutions = interpret.run(made, found, state_of(made, values, points, directions, function))
    return [o.T for o in outputs], [d.T for d in derivatives], solutions


def viscoplastic(solver: str = "Newton", solver_options: str = "", options: str = "") -> str:
    """Viscoplasticity with a predictor before and a model behind the implicit update."""
    material = viscoplasticity_in_rates(
        5, 100, 2.5, 1000, options=options, solver=solver, solver_options=f"linear_solver = 'lu'\n    {solver_options}"
    )
    return f"""\
{material}
[Models]
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
[Solvers]
  [lu]
    type = DenseLU
  []
[]
"""


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


def assert_alike(found: host.Library, want: host.Library) -> None:
    """Two kernels of `viscoplastic` give the same, one point at a time and with a ragged last group."""
    tangents = {"strain": np.random.default_rng(1).normal(size=(9, 6))}
    for points in (1, 9):
        values = steps_of(points, seed=3)
        moving = {k: v[:points] for k, v in tangents.items()}
        for function, arguments in (("forward", ()), ("jacobian", ()), ("jvp", (moving,))):
            *expected, report = getattr(want, function)(values, *arguments)
            *results, again = getattr(found, function)(values, *arguments)
            np.testing.assert_array_equal(again.iterations, report.iterations)
            for a, b in zip(results, expected, strict=True):
                for name in b:
                    np.testing.assert_allclose(a[name], b[name], rtol=1e-12, atol=1e-12 * abs(b[name]).max())

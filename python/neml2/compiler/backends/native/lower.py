# SPDX-License-Identifier: MIT
"""The program of a model, from its captured segments."""

from __future__ import annotations

from typing import Any

from neml2.compiler.graph.assemble import assemble
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.program import Argument, Assign, Increment, Program, Settings, Solve, Step
from neml2.compiler.plan.layout import Value, stored
from neml2.compiler.plan.segments import Captured, Segment
from neml2.compiler.plan.solver_options import options_of


def program_of(captured: Captured) -> Program:
    """The program of a captured model; its stored parameters are inputs, the last ones."""
    inputs = [_argument(name, v) for name, v in captured.inputs.items()]
    parameters = stored(captured.parameters.values())
    for p in parameters:
        value = None if p.batch_shape else tuple(p.value.double().reshape(-1).tolist())
        inputs.append(_argument(p.name, p, value))
    outputs = [_argument(name, v) for name, v in captured.outputs.items()]
    numbers = {a.name: k for k, a in enumerate(inputs)}
    names = [a.name for a in outputs]
    pairs = [(names.index(out), numbers[given]) for out, given in captured.request.pairs]
    size = captured.state_size
    return assemble(captured.name, captured.graph, inputs, len(parameters), outputs, pairs, _steps(captured), size)


def _argument(name: str, value: Value, numbers: tuple[float, ...] | None = None) -> Argument:
    return Argument(name, value.type.__name__, tuple(value.shape), value.components.start, numbers)


def _steps(captured: Captured) -> list[Step]:
    steps: list[Step] = []
    count = 0
    for segment in captured.segments:
        if segment.update is None:
            written = zip(segment.writes, segment.nodes, strict=True)
            steps.append(Assign([(c, n) for v, nodes in written for c, n in zip(v.components, nodes, strict=True)]))
        else:
            steps.append(_solve(captured, segment, count))
            count += 1
    return steps


def _solve(captured: Captured, segment: Segment, number: int) -> Solve:
    unknowns = [c for v in segment.writes for c in v.components]
    rows = jacobian(captured.graph, segment.residual, unknowns)
    increments = [Increment(i.now.components, i.old.components, i.state) for i in segment.increments]
    given = [c for v in segment.reads for c in v.components]
    settings = settings_of(segment.update)
    return Solve(number, unknowns, list(segment.residual), rows, settings, increments, given)


def settings_of(update: Any) -> Settings:
    """Settings of the solver of an implicit update."""
    options = options_of(update)
    kinds = {"BACKTRACKING": 1, "STRONG_WOLFE": 2}
    return Settings(
        abs_tol=options["abs_tol"],
        rel_tol=options["rel_tol"],
        max_its=options["max_its"],
        line_search=kinds[options["linesearch_type"]] if options["type"] == "NewtonWithLineSearch" else 0,
        max_line_search=options.get("max_linesearch_iterations", 10),
        max_substepping=getattr(update, "max_substepping_level", 0),
        cutback=options.get("linesearch_cutback", 2.0),
        criterion=options.get("linesearch_stopping_criteria", 1e-3),
        update_tol=options["substep_del_tol"],
        block=options["block"] or "",
    )

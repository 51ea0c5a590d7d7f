# SPDX-License-Identifier: MIT
"""The program of a model, from its captured segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neml2.compiler.graph.assemble import DERIVATIVES, assemble
from neml2.compiler.graph.differentiate import Coupled, jacobian
from neml2.compiler.graph.pointgraph import PointGraph, SiteError, Slot
from neml2.compiler.graph.program import Argument, Assign, Increment, Program, Settings, Solve, Step, slots
from neml2.compiler.graph.sites import SiteSystem, system
from neml2.compiler.plan.layout import Request, Value, stored
from neml2.compiler.plan.segments import Captured, CaptureError, Segment, capture_model
from neml2.compiler.plan.solver_options import options_of

if TYPE_CHECKING:
    import torch

    from neml2.models import Model


def lowered(
    model: Model, request: Request, dtype: torch.dtype, derivatives: Sequence[str] = DERIVATIVES
) -> tuple[Captured, Program]:
    """A captured model and its program; sites are written out only where they meet in a way that has no form along
    them. Raises CaptureError."""
    try:
        captured = capture_model(model, replace(request, along=True), dtype)
        return captured, program_of(captured, derivatives)
    except (CaptureError, Coupled, SiteError):
        captured = capture_model(model, request, dtype)
        return captured, program_of(captured, derivatives)


def program_of(captured: Captured, derivatives: Sequence[str] = DERIVATIVES) -> Program:
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
    same = (captured.name, captured.graph, inputs, len(parameters), outputs, pairs)
    return assemble(*same, _steps(captured), captured.state_size, derivatives)


def _argument(name: str, value: Value, numbers: tuple[float, ...] | None = None) -> Argument:
    return Argument(name, value.type.__name__, tuple(value.shape), value.components.start, numbers, value.along)


def _steps(captured: Captured) -> list[Step]:
    steps: list[Step] = []
    count = 0
    for segment in captured.segments:
        if segment.update is None:
            written = zip(segment.writes, segment.nodes, strict=True)
            steps.append(Assign([(c, n) for v, nodes in written for c, n in zip(_slots(v), nodes, strict=True)]))
        else:
            steps.append(_solve(captured, segment, count))
            count += 1
    return steps


def _slots(value: Value) -> list[Slot]:
    return slots(value.components.start, value.shape, value.along)


def _solve(captured: Captured, segment: Segment, number: int) -> Solve:
    graph = captured.graph
    leaves = [graph.leaf(slot) for v in segment.writes for slot in _slots(v)]
    increments = [Increment(i.now.components, i.old.components, i.state) for i in segment.increments]
    given = [c for v in segment.reads for c in v.components]
    settings = settings_of(segment.update)
    if not any(v.along for v in segment.writes):
        unknowns = [c for v in segment.writes for c in v.components]
        rows = jacobian(graph, segment.residual, unknowns)
        return Solve(number, unknowns, list(segment.residual), rows, settings, increments, given)
    if increments:
        raise Coupled("steps that are cut, of unknowns that have sites")
    found = system(graph, leaves, segment.residual)
    unknowns = _by_site(graph, found)
    return Solve(number, unknowns, found.residual, found.entries(), settings, [], given, found)


def _by_site(graph: PointGraph, found: SiteSystem) -> list[int]:
    """The components of the unknowns: site by site, then those of the whole point."""
    local = zip(*map(graph.components_of, found.local), strict=True)
    return [*(c for site in local for c in site), *(c for leaf in found.border for c in graph.components_of(leaf))]


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

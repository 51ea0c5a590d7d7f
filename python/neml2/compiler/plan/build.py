# SPDX-License-Identifier: MIT
"""From captured segments to the plan of a package: kernels for values, and for the derivatives that are on a way from a
requested input to a requested output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.plan.layout import Parameter, Value
from neml2.compiler.plan.plan import (
    Artifact,
    Block,
    ForwardSegment,
    ImplicitSegment,
    InnerSegment,
    Kernel,
    Outputs,
    ParameterSlot,
    Plan,
    Range,
    Slot,
)
from neml2.compiler.plan.segments import Captured, Segment
from neml2.compiler.plan.sensitivities import Sensitivities
from neml2.compiler.plan.solver_options import options_of


def plan_of(captured: Captured, kernels: bool = True) -> Plan:
    """The plan of a captured model; without `kernels`, for a package in which one kernel does everything."""
    work = _Planning(captured)
    several = len(captured.segments) > 1
    segments: list[Any] = [
        work.segment(segment, f"{captured.name}_{k}" if several else captured.name) if kernels else work.inner(segment)
        for k, segment in enumerate(captured.segments)
    ]
    return Plan(
        captured.name,
        captured.state_size,
        [_slot(name, v) for name, v in captured.inputs.items()],
        [_slot(name, v) for name, v in captured.outputs.items()],
        [_parameter_slot(p) for p in captured.parameters.values()],
        segments,
        work.sensitivities.pairs(),
    )


class _Planning:
    """Segments become kernels, one after the other."""

    def __init__(self, captured: Captured) -> None:
        self.captured, self.graph, self.state_size = captured, captured.graph, captured.state_size
        self.sensitivities = Sensitivities(captured)

    def segment(self, segment: Segment, stem: str) -> ForwardSegment | ImplicitSegment:
        """A segment whose kernels are called `stem`, and something behind it."""
        return self._forward(segment, stem) if segment.update is None else self._implicit(segment, stem)

    def inner(self, s: Segment) -> InnerSegment:
        """A segment of a kernel that does everything."""
        if s.update is None:
            used, dependencies = self._read(s)
            return InnerSegment({
                "kind": "forward", "name": s.name, "inputs": [list(r) for r in used],
                "outputs": [list(v.range) for v in s.writes], "dependencies": dependencies, "value": None,
                "copies": [], "derivative": None,
            })  # fmt: skip
        givens = [*s.reads, *self.captured.stored_parameters(s.residual)]
        return InnerSegment({
            "kind": "implicit", "name": s.name, "unknowns": [list(v.range) for v in s.writes],
            "givens": [list(v.range) for v in givens], "solver": options_of(s.update),
            "max_substepping_level": getattr(s.update, "max_substepping_level", 0),
        })  # fmt: skip

    def _read(self, s: Segment) -> tuple[list[Range], list[list[int]]]:
        """What a forward segment reads, and whose batch axes each of its outputs has."""
        used = sorted(frozenset().union(*s.axes))
        return used, [[k for k, owner in enumerate(used) if owner in axes] for axes in s.axes]

    def _forward(self, s: Segment, stem: str) -> ForwardSegment:
        written = zip(s.writes, s.nodes, strict=True)
        stores = [(c, node) for v, nodes in written for c, node in zip(v.components, nodes, strict=True)]
        used, dependencies = self._read(s)
        copies = _copies(self.graph, stores)
        segment = ForwardSegment(
            s.name,
            used,
            [v.range for v in s.writes],
            None if copies else Artifact(f"{stem}.pt2", Kernel(stem, self.graph, stores, self.state_size)),
            copies,
            dependencies=dependencies,
        )
        outputs = Outputs(self.graph)
        for output, given in self.sensitivities.wanted(s):
            entries = _flat(jacobian(self.graph, s.nodes_of(output), given.components))
            if any(n != self.graph.zero for n in entries):
                segment.blocks.append(Block(output.range, given.range, outputs.entries(entries)))
        alone = len(self.captured.segments) == 1
        if segment.blocks and (outputs.nodes or alone):
            segment.derivative = self._derivative(outputs, f"{stem}_jvp")
        return segment

    def _derivative(self, outputs: Outputs, stem: str) -> Artifact:
        if not outputs.nodes:  # every entry is constant; a kernel needs something to store
            outputs.append([self.graph.zero])
        return Artifact(f"{stem}.pt2", outputs.kernel(stem, self.state_size))

    def _implicit(self, s: Segment, stem: str) -> ImplicitSegment:
        flat = _flat(jacobian(self.graph, s.residual, [c for v in s.writes for c in v.components]))
        outputs = Outputs(self.graph)
        outputs.append(s.residual)
        entries = outputs.entries(flat)
        solver = options_of(s.update)
        segment = ImplicitSegment(
            s.name,
            [v.range for v in s.writes],
            [v.range for v in [*s.reads, *self.captured.stored_parameters([*s.residual, *flat])]],
            Artifact(f"{stem}.pt2", outputs.kernel(stem, self.state_size)),
            len(s.residual),
            entries,
            solver,
            max_substepping_level=getattr(s.update, "max_substepping_level", 0),
            incremental=[
                {
                    "kind": "state" if i.state else "force",
                    "name": i.name,
                    "current": list(i.now.range),
                    "old": list(i.old.range),
                }
                for i in s.increments
            ],
        )
        if solver["type"] == "NewtonWithLineSearch":
            trial = Outputs(self.graph)
            trial.append(s.residual)
            segment.residual = Artifact(f"{stem}_residual.pt2", trial.kernel(f"{stem}_residual", self.state_size))
        given = [g for _, g in self.sensitivities.wanted(s)]
        if given:
            # a point whose step is cut depends on forces by way of both ends, and on the states in between
            for i in s.increments:
                given += [i.old] if i.state else [i.now, i.old]
            self._implicit_derivative(segment, s, flat, dict.fromkeys(given), stem)
        return segment

    def _implicit_derivative(
        self, segment: ImplicitSegment, s: Segment, flat: list[int], given: Iterable[Value], stem: str
    ) -> None:
        outputs = Outputs(self.graph)
        segment.derivative_jacobian = outputs.entries(flat)
        for value in given:
            entries = outputs.entries(_flat(jacobian(self.graph, s.residual, value.components)))
            segment.blocks.append(Block((0, len(s.residual)), value.range, entries))
        segment.derivative = self._derivative(outputs, f"{stem}_jvp")


def _copies(graph: PointGraph, stores: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stores as (from, to) if all they do is copy what none of them overwrites, as predictors do."""
    sources = [graph.value[node] if graph.op[node] == "input" else None for _, node in stores]
    targets = {component for component, _ in stores}
    if any(source is None or source in targets for source in sources):
        return []
    return [(int(source), target) for source, (target, _) in zip(sources, stores, strict=True)]  # type: ignore[arg-type]


def _flat(rows: Sequence[Sequence[int]]) -> list[int]:
    return [n for row in rows for n in row]


def _slot(name: str, v: Value) -> Slot:
    assert v.offset is not None
    return Slot(name, v.type.__name__, v.base_shape, v.sub_batch_shape, v.offset)


def _parameter_slot(p: Parameter) -> ParameterSlot:
    value = p.value.to(torch.float64).cpu().reshape(-1).tolist()
    return ParameterSlot(
        p.name, p.type.__name__, p.base_shape, p.sub_batch_shape, p.batch_shape, p.offset, p.promoted, value
    )

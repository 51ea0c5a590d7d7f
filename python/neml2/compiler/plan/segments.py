# SPDX-License-Identifier: MIT
"""Segments: every piece of a sequence is captured in one point graph, and what outlives its segment gets its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from neml2.compiler.frontend import batch_axes, partition
from neml2.compiler.frontend.aten import Scalars
from neml2.compiler.frontend.capture import capture, inputs
from neml2.compiler.frontend.partition import Copy, Evaluation, Piece, Sequence, Solve, Variable
from neml2.compiler.frontend.sites import Along, along
from neml2.compiler.frontend.trace import CaptureError
from neml2.compiler.graph.differentiate import Coupled
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.plan.layout import Layout, Parameter, Request, Value, lay_out, stored

if TYPE_CHECKING:
    from neml2.compiler.frontend.aten import Nodes
    from neml2.models import Model

__all__ = ["CaptureError", "Captured", "Increment", "Segment", "among", "capture_model", "capture_segments"]

V = TypeVar("V", bound=Value)
Owners = frozenset[tuple[int, int]]
"""Ranges of the state, as it is before a segment."""


@dataclass(frozen=True)
class Increment:
    """What changes when a step is cut: a force, or with `state` an unknown, and its value at the start of the step."""

    name: str
    now: Value
    old: Value
    state: bool


@dataclass(frozen=True, eq=False)
class Segment:
    """A segment with its graph's ends: the nodes of what it writes, or of an implicit update the residual."""

    name: str
    reads: tuple[Value, ...]
    writes: tuple[Value, ...]
    nodes: list[list[int]]  # of each of `writes`, unless an update solves for them
    axes: list[Owners]  # whose batch axes each of these has
    residual: list[int]
    update: Any = None  # the implicit update; None of a forward segment
    increments: tuple[Increment, ...] = ()  # of an update that may cut its steps

    def nodes_of(self, value: Value) -> list[int]:
        """The nodes that decide `value`: its own, or the residual of the equations it solves."""
        return self.residual or next(n for v, n in zip(self.writes, self.nodes, strict=True) if v is value)


@dataclass(frozen=True)
class Captured:
    """A whole model in one graph: its interface, its segments in order, the size of the state. Taking derivatives adds
    nodes to the graph, and changes none."""

    name: str
    request: Request
    graph: PointGraph
    inputs: dict[str, Value]
    outputs: dict[str, Value]
    parameters: dict[str, Parameter]
    segments: tuple[Segment, ...]
    state_size: int

    def dependencies(self, nodes: Iterable[int]) -> frozenset[str]:
        """Names of inputs and stored parameters behind `nodes`."""
        return dependencies(self.graph, nodes, self.inputs.values(), self.parameters.values(), self.segments)

    def stored_parameters(self, nodes: Iterable[int]) -> list[Parameter]:
        """The stored parameters that `nodes` read."""
        return among(stored(self.parameters.values()), self.graph.inputs_of(nodes))


def capture_model(model: Model, request: Request, dtype: torch.dtype = torch.float64) -> Captured:
    """All stages before the plan: partition, layout, capture. Raises CaptureError."""
    sequence = partition.linearise(model)
    return capture_segments(model, sequence, lay_out(model, sequence, request), request, dtype)


def capture_segments(
    model: Model, sequence: Sequence, layout: Layout, request: Request, dtype: torch.dtype
) -> Captured:
    """Every segment of `sequence` in one graph. Raises CaptureError."""
    work = _Capture(model, sequence, layout, dtype)
    for k, group in enumerate(partition.segments(sequence.pieces)):
        if isinstance(group[0], Solve):
            work.solve(group[0], k)
        else:
            work.forward(group, k)
    outputs = {name: work.values[v] for name, v in sequence.outputs.items()}
    name = model.name
    return Captured(
        name, request, work.graph, layout.inputs, outputs, layout.parameters, tuple(work.segments), work.size
    )


def dependencies(
    graph: PointGraph,
    nodes: Iterable[int],
    given: Iterable[Value],
    parameters: Iterable[Parameter],
    segments: Iterable[Segment],
) -> frozenset[str]:
    """Names of inputs and stored parameters behind `nodes`, by way of what `segments` wrote."""
    return frozenset().union(*(v.dependencies for v in behind(graph, nodes, given, parameters, segments)))


def behind(
    graph: PointGraph,
    nodes: Iterable[int],
    given: Iterable[Value],
    parameters: Iterable[Parameter],
    segments: Iterable[Segment],
) -> list[Value]:
    """The values of the state that `nodes` read."""
    components = graph.inputs_of(nodes)
    holders = [*given, *stored(parameters), *(v for s in segments for v in s.writes)]
    latest = {v.offset: v for v in holders}.values()  # an unknown takes the place of its guess
    return among(latest, components)


def among(values: Iterable[V], components: set[int]) -> list[V]:
    """The values that have one of `components`."""
    return [v for v in values if not components.isdisjoint(v.components)]


class _Capture:
    """The graph and the values as they grow from segment to segment."""

    def __init__(self, model: Model, sequence: Sequence, layout: Layout, dtype: torch.dtype) -> None:
        self.graph, self.layout, self.dtype = PointGraph(), layout, dtype
        self.size = layout.size
        self.segments: list[Segment] = []
        self.values: dict[Variable, Value] = {v: layout.inputs[name] for name, v in sequence.inputs.items()}
        self.nodes: dict[Value, Nodes] = {}  # what each is in the segment being captured
        self.axes: dict[Value, Owners] = {}  # whose batch axes each has there
        self.parameters = {id(value): layout.parameters[name] for name, value in model.named_parameters()}
        for value in layout.inputs.values():
            self._as_input(value)
        for parameter in layout.parameters.values():
            if parameter.offset is not None:
                self._as_input(parameter)
            else:
                scalars = Scalars(self.graph)
                nodes = scalars.nodes(parameter.value.cpu().to(torch.float64).numpy())
                self.nodes[parameter] = along(scalars, nodes, 0) if parameter.along else nodes
                self.axes[parameter] = frozenset()

    def _as_input(self, value: Value) -> None:
        self.nodes[value] = inputs(self.graph, value.components.start, value.shape, value.along)
        self.axes[value] = frozenset((value.range,))

    def _define(self, variable: Variable, type_: Any, sub_batch_ndim: int, nodes: Nodes, axes: Owners) -> None:
        """The value of a variable, at the end of the state if it outlives its segment."""
        shape = tuple(nodes.shape)
        if variable not in self.layout.stored:
            value = Value(variable.name, type_, shape, sub_batch_ndim)
        else:
            behind = self.dependencies(_flat(nodes))
            value = Value(variable.name, type_, shape, sub_batch_ndim, self.size, behind, isinstance(nodes, Along))
            self.size += value.size
        self.values[variable], self.nodes[value], self.axes[value] = value, nodes, axes

    def dependencies(self, nodes: Iterable[int]) -> frozenset[str]:
        layout = self.layout
        return dependencies(self.graph, nodes, layout.inputs.values(), layout.parameters.values(), self.segments)

    def forward(self, group: list[Piece], k: int) -> None:
        """Captures neighbouring evaluations, which read from the state what earlier segments wrote."""
        defined = [v for piece in group for v in partition.writes(piece)]
        read = [v for piece in group for v in partition.reads(piece) if v not in set(defined)]
        given = [self.values[v] for v in dict.fromkeys(read)]
        for value in given:
            self._as_input(value)
        for piece in group:
            if isinstance(piece, Copy):
                source = self.values[piece.source]
                self._define(
                    piece.target, piece.target.type, source.sub_batch_ndim, self.nodes[source], self.axes[source]
                )
            elif isinstance(piece, Evaluation):
                results = self._evaluate(piece.model, {name: self.values[v] for name, v in piece.inputs.items()})
                for name, variable in piece.outputs.items():
                    self._define(variable, *results[name])
        writes = [self.values[v] for v in defined if v in self.layout.stored]
        names = [p.model.name for p in group if isinstance(p, Evaluation)]
        nodes, axes = [_flat(self.nodes[v]) for v in writes], [self.axes[v] for v in writes]
        name = names[-1] if names else f"segment_{k}"
        self.segments.append(Segment(name, tuple(given), tuple(writes), nodes, axes, []))

    def solve(self, solve: Solve, k: int) -> None:
        """Captures the residual of an implicit update, whose unknowns take the places of their guesses."""
        givens = {name: self.values[v] for name, v in solve.givens.items()}
        guesses = {name: self.values[v] for name, v in solve.guesses.items()}
        system = solve.update.equation_system
        for value in givens.values():
            self._as_input(value)
        for guess in guesses.values():  # what they depend on is known behind the residual
            self._as_input(guess)
        scope = {name: guesses.get(name) or givens[name] for name in system.model.input_spec}
        outputs = self._evaluate(system.model, scope)
        residual = [node for name in system.residuals for node in _flat(outputs[name][2])]
        parameters = among(stored(self.layout.parameters.values()), self.graph.inputs_of(residual))
        behind = frozenset().union(*(v.dependencies for v in (*givens.values(), *parameters)))
        unknowns = {}
        for name, variable in solve.unknowns.items():
            guess = guesses[name]
            unknowns[name] = replace(guess, name=name, type=variable.type, dependencies=behind)
            self.values[variable], self.nodes[unknowns[name]] = unknowns[name], self.nodes[guess]
            self.axes[unknowns[name]] = self.axes[guess]
        label = solve.update.name or f"segment_{k}"
        changes = _increments(solve.update, givens, unknowns)
        self.segments.append(
            Segment(label, tuple(givens.values()), tuple(unknowns.values()), [], [], residual, solve.update, changes)
        )

    def _evaluate(self, model: Any, given: Mapping[str, Value]) -> dict[str, tuple[Any, int, Nodes, Owners]]:
        """Capture `model` at the nodes of `given`: output name -> (type, number of sub-batch axes, nodes, whose batch
        axes it has)."""
        own = {name: self.parameters[id(p)] for name, p in model.named_parameters()}
        placed = {name: p for name, p in own.items() if p.offset is not None or p.along}
        results: dict[str, Any] = {}

        def point(*data: torch.Tensor) -> list[torch.Tensor]:
            state = {
                name: v.type(d, sub_batch_ndim=v.sub_batch_ndim)
                for (name, v), d in zip(given.items(), data, strict=False)
            }
            replaced = dict(zip(placed, data[len(given) :], strict=True))
            outputs = torch.func.functional_call(
                _Evaluate(model), {f"model.{name}": value for name, value in replaced.items()}, (state,)
            )
            results.update(outputs)
            return [value.data for value in outputs.values()]

        values = [*given.values(), *placed.values()]
        examples = [self._example(v) for v in values]
        label = f"{type(model).__name__} '{model.name}'"
        nodes = capture(self.graph, point, examples, [self.nodes[v] for v in values], label)
        described = [(name, type(value), value.sub_batch_ndim) for name, value in results.items()]
        shown = [frozenset(v.range for v in self._behind(_flat(made))) for made in nodes]
        axes = batch_axes.completed(point, examples, [self.axes[v] for v in values], shown, [n.ndim for n in nodes])
        return {
            name: (type_, sub, made, own) for (name, type_, sub), made, own in zip(described, nodes, axes, strict=True)
        }

    def _behind(self, nodes: Iterable[int]) -> list[Value]:
        layout = self.layout
        return behind(self.graph, nodes, layout.inputs.values(), layout.parameters.values(), self.segments)

    def _example(self, value: Value) -> torch.Tensor:
        if isinstance(value, Parameter):
            return value.value.to(self.dtype)[(0,) * len(value.batch_shape)].clone()
        return torch.full(value.shape, 0.5, dtype=self.dtype)


class _Evaluate(torch.nn.Module):
    """`model.evaluate` as the forward function of a module, for functional_call."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: Any) -> Any:
        return self.model.evaluate(state)


def _increments(update: Any, givens: Mapping[str, Value], unknowns: Mapping[str, Value]) -> tuple[Increment, ...]:
    """What changes when a step is cut; nothing for an update that cuts no steps."""
    if not getattr(update, "max_substepping_level", 0):
        return ()
    scope = {**givens, **unknowns}
    pairs = [(name, scope[name], scope.get(f"{name}~1")) for name in scope]
    return tuple(Increment(name, now, old, name in unknowns) for name, now, old in pairs if old is not None)


def _flat(nodes: Any) -> list[int]:
    """The nodes of a value's components; of those at one site, where it has sites."""
    if isinstance(nodes, Along):
        if nodes.axis or nodes.inner > 1:
            raise Coupled("sites that are not along the first axis")
        nodes = nodes.nodes
    return [int(n) for n in nodes.reshape(-1)]

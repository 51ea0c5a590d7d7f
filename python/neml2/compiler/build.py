# SPDX-License-Identifier: MIT
"""From a model to the plan of its package: capture every segment, lay out the state, differentiate what is asked for.

The stages, in order: `linearise` (partition.py) gives pieces over variables; `Layout` decides which variables live in
the state and where; `Builder` captures each segment into one point graph and records what it stores; derivatives are
taken for the variables on a way from a requested input to a requested output.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from neml2.compiler import batch_axes, partition
from neml2.compiler.capture import capture, inputs
from neml2.compiler.differentiate import jacobian
from neml2.compiler.inductor import Kernel
from neml2.compiler.partition import Copy, Evaluation, Solve, Variable
from neml2.compiler.plan import (
    Artifact,
    Block,
    ForwardSegment,
    ImplicitSegment,
    Outputs,
    ParameterSlot,
    Plan,
    Slot,
)
from neml2.compiler.pointgraph import PointGraph

if TYPE_CHECKING:
    from neml2.compiler.aten import Nodes
    from neml2.models import Model


@dataclass
class Request:
    """What to build: names of promoted parameters, (output, input) pairs to differentiate, and the sub-batch shapes
    that the input file declares for variables."""

    promoted: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    sub_batch: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(eq=False)
class Parameter(Variable):
    """A parameter of the model; `offset` is None where it is a constant of the graphs."""

    value: torch.Tensor | None = None
    batch_shape: tuple[int, ...] = ()
    promoted: bool = False


@dataclass
class Captured:
    """A segment with its graph's ends: the nodes of what a forward segment writes, or the residual."""

    pieces: list[partition.Piece]
    name: str
    reads: list[Variable]
    writes: list[Variable]
    values: list[list[int]] = field(default_factory=list)  # nodes of each of `writes`; later segments read the state
    axes: list[frozenset[tuple[int, int]]] = field(default_factory=list)  # of each of `writes`
    residual: list[int] = field(default_factory=list)

    def nodes_of(self, variable: Variable) -> list[int]:
        """The nodes that decide `variable`: its own, or the residual of the equations it solves."""
        return self.residual or next(n for v, n in zip(self.writes, self.values, strict=True) if v is variable)

    @property
    def solve(self) -> Solve | None:
        return self.pieces[0] if isinstance(self.pieces[0], Solve) else None


def parameters_of(model: Model, promoted: Iterable[str]) -> dict[str, Parameter]:
    """The parameters of `model` by qualified name; those to be stored in the state have no offset yet."""
    slots = {}
    for module in model.modules():
        for slot in getattr(module, "parameter_slots", []):
            value = module._parameters.get(slot.name)
            if value is not None:
                slots[id(value)] = slot
    found = {}
    for name, value in model.named_parameters():
        slot = slots[id(value)]
        point_ndim = slot.sub_batch_ndim + len(slot.type.BASE_SHAPE)
        lead = value.ndim - point_ndim
        found[name] = Parameter(
            name,
            slot.type,
            tuple(value.shape[lead:]),
            slot.sub_batch_ndim,
            value=value.detach(),
            batch_shape=tuple(value.shape[:lead]),
            promoted=name in set(promoted),
        )
    return found


class Builder:
    """Builds one plan; see the module's text."""

    def __init__(self, model: Model, request: Request, dtype: torch.dtype = torch.float64) -> None:
        self.model, self.request, self.dtype = model, request, dtype
        self.graph = PointGraph()
        self.sequence = partition.linearise(model)
        self.parameters = parameters_of(model, request.promoted)
        self._by_identity = {id(value): self.parameters[name] for name, value in model.named_parameters()}
        self.state_size = 0
        self.captured: list[Captured] = []
        self._stored = self._outliving()

    # ---- layout ------------------------------------------------------------------------------------------------------

    def _outliving(self) -> set[int]:
        """Identities of the variables that live in the state: the interface, unknowns, and what crosses segments."""
        stored = {id(v) for v in (*self.sequence.inputs.values(), *self.sequence.outputs.values())}
        for group in partition.segments(self.sequence.pieces):
            local = {id(v) for piece in group for v in partition.writes(piece)}
            for piece in group:
                stored |= {id(v) for v in partition.reads(piece) if id(v) not in local}
                if isinstance(piece, Solve):
                    stored |= {id(v) for v in piece.unknowns.values()}
        return stored

    def _place(self, variable: Variable) -> None:
        """Give a variable its place in the state."""
        if variable.offset is None:
            variable.offset = self.state_size
            self.state_size += variable.size

    def _as_input(self, variable: Variable) -> None:
        assert variable.offset is not None and variable.shape is not None
        variable.nodes = inputs(self.graph, variable.offset, variable.shape)
        variable.axes = frozenset((variable.range,))

    def _place_interface(self) -> None:
        for name, variable in self.sequence.inputs.items():
            sub = self.request.sub_batch.get(name) or self.request.sub_batch.get(name.split("~")[0], ())
            variable.shape = (*sub, *variable.type.BASE_SHAPE)
            variable.sub_batch_ndim = len(sub)
            variable.dependencies = frozenset((name,))
            self._place(variable)
            self._as_input(variable)
        for name, parameter in self.parameters.items():
            if parameter.promoted or parameter.batch_shape:
                parameter.dependencies = frozenset((name,))
                self._place(parameter)
                self._as_input(parameter)
            else:
                parameter.nodes = self._constant(parameter.value)

    def _constant(self, value: torch.Tensor | None) -> Nodes:
        from neml2.compiler.aten import Scalars

        assert value is not None
        return Scalars(self.graph).nodes(value.cpu().to(torch.float64).numpy())

    # ---- capture -----------------------------------------------------------------------------------------------------

    def build(self) -> Plan:
        """Capture, lay out, differentiate."""
        self._place_interface()
        for k, group in enumerate(partition.segments(self.sequence.pieces)):
            if isinstance(group[0], Solve):
                self._capture_solve(group[0], k)
            else:
                self._capture_forward(group, k)
        return self._plan()

    def _evaluate(self, model: Any, values: dict[str, Variable]) -> dict[str, Variable]:
        """Capture `model` at the nodes of `values`; its outputs by name."""
        own = {name: self._by_identity[id(p)] for name, p in model.named_parameters()}
        stored = {name: p for name, p in own.items() if p.offset is not None}
        results: dict[str, Any] = {}

        def point(*data: torch.Tensor) -> list[torch.Tensor]:
            state = {
                name: v.type(d, sub_batch_ndim=v.sub_batch_ndim)
                for (name, v), d in zip(values.items(), data, strict=False)
            }
            replaced = dict(zip(stored, data[len(values) :], strict=True))
            outputs = torch.func.functional_call(
                _Evaluate(model), {f"model.{name}": value for name, value in replaced.items()}, (state,)
            )
            results.update(outputs)
            return [value.data for value in outputs.values()]

        variables = [*values.values(), *stored.values()]
        examples = [self._example(v) for v in variables]
        label = f"{type(model).__name__} '{model.name}'"
        nodes = capture(self.graph, point, examples, [v.nodes for v in variables], label)
        found = {
            name: Variable(name, type(value), tuple(captured.shape), value.sub_batch_ndim, nodes=captured)
            for (name, value), captured in zip(results.items(), nodes, strict=True)
        }
        shown = [frozenset(v.range for v in self._behind(_flat(n))) for n in nodes]
        ranks = [n.ndim for n in nodes]
        axes = batch_axes.completed(point, examples, [v.axes for v in variables], shown, ranks)
        for variable, own in zip(found.values(), axes, strict=True):
            variable.axes = own
        return found

    def _example(self, variable: Variable) -> torch.Tensor:
        if isinstance(variable, Parameter) and variable.value is not None:
            value = variable.value.to(self.dtype)
            return value[(0,) * len(variable.batch_shape)].clone()
        assert variable.shape is not None
        return torch.full(variable.shape, 0.5, dtype=self.dtype)

    def _behind(self, nodes: Iterable[int]) -> list[Variable]:
        """The variables and parameters of the state behind `nodes`."""
        components = self.graph.inputs_of(nodes)
        stored = [p for p in self.parameters.values() if p.offset is not None]
        holders = [*self.sequence.inputs.values(), *stored, *(v for c in self.captured for v in c.writes)]
        latest = {v.offset: v for v in holders}.values()  # an unknown takes the place of its guess
        return [v for v in latest if not components.isdisjoint(range(*_span(v)))]

    def dependencies(self, nodes: Iterable[int]) -> frozenset[str]:
        """Names of inputs and stored parameters behind `nodes`."""
        return frozenset().union(*(v.dependencies for v in self._behind(nodes)))

    def _capture_forward(self, group: list[partition.Piece], k: int) -> None:
        for piece in group:
            if isinstance(piece, Copy):
                source, target = piece.source, piece.target
                target.shape, target.sub_batch_ndim = source.shape, source.sub_batch_ndim
                target.nodes, target.axes = source.nodes, source.axes
            elif isinstance(piece, Evaluation):
                for name, found in self._evaluate(piece.model, piece.inputs).items():
                    variable = piece.outputs[name]
                    variable.type, variable.shape, variable.nodes = found.type, found.shape, found.nodes
                    variable.sub_batch_ndim, variable.axes = found.sub_batch_ndim, found.axes
        defined = [v for piece in group for v in partition.writes(piece)]
        writes = [v for v in defined if id(v) in self._stored]
        local = {id(v) for v in defined}
        reads = _unique(v for piece in group for v in partition.reads(piece) if id(v) not in local)
        for variable in writes:
            assert variable.nodes is not None
            variable.dependencies = self.dependencies(_flat(variable.nodes))
            self._place(variable)
        names = [p.model.name for p in group if isinstance(p, Evaluation)]
        values, axes = [_flat(v.nodes) for v in writes], [v.axes for v in writes]
        for variable in writes:
            variable.axes = frozenset((variable.range,))
        self.captured.append(Captured(group, names[-1] if names else f"segment_{k}", reads, writes, values, axes))

    def _capture_solve(self, solve: Solve, k: int) -> None:
        for name, guess in solve.guesses.items():
            unknown = solve.unknowns[name]
            unknown.shape, unknown.sub_batch_ndim = guess.shape, guess.sub_batch_ndim
            unknown.offset = guess.offset
        for variable in (*solve.givens.values(), *solve.unknowns.values()):
            self._as_input(variable)
        system = solve.update.equation_system
        values = {name: solve.unknowns.get(name) or solve.givens[name] for name in system.model.input_spec}
        outputs = self._evaluate(system.model, values)
        residual = [node for name in system.residuals for node in _flat(outputs[name].nodes)]
        given = frozenset().union(*(v.dependencies for v in solve.givens.values()))
        given |= {name for p in self._stored_parameters(residual) for name in p.dependencies}
        for unknown in solve.unknowns.values():
            unknown.dependencies = given
        self.captured.append(
            Captured([solve], solve.update.name or f"segment_{k}", list(solve.givens.values()),
                     list(solve.unknowns.values()), residual=residual)
        )  # fmt: skip

    # ---- plan --------------------------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        from neml2.compiler.sensitivity import Sensitivities

        for name, variable in self.sequence.outputs.items():
            variable.name = name
        sensitivities = Sensitivities(self)
        several = len(self.captured) > 1
        segments: list[ForwardSegment | ImplicitSegment] = []
        for k, captured in enumerate(self.captured):
            stem = f"{self.model.name}_{k}" if several else self.model.name
            solve = captured.solve
            if solve is None:
                segments.append(self._forward_segment(captured, stem, sensitivities))
            else:
                segments.append(self._implicit_segment(captured, solve, stem, sensitivities))
        return Plan(
            self.model.name,
            self.state_size,
            [_slot(v) for v in self.sequence.inputs.values()],
            [_slot(v) for v in self.sequence.outputs.values()],
            [_parameter_slot(p) for p in self.parameters.values()],
            segments,
            sensitivities.pairs(),
        )

    def _stored_parameters(self, nodes: Iterable[int]) -> list[Variable]:
        components = self.graph.inputs_of(nodes)
        return [p for p in self.parameters.values() if p.offset is not None
                and not components.isdisjoint(range(p.offset, p.offset + p.size))]  # fmt: skip

    def _forward_segment(self, c: Captured, stem: str, sensitivities: Any) -> ForwardSegment:
        written = list(zip(c.writes, c.values, strict=True))
        stores = [(v.offset + i, node) for v, values in written for i, node in enumerate(values)]
        used = sorted(frozenset().union(*c.axes))
        dependencies = [[k for k, owner in enumerate(used) if owner in axes] for axes in c.axes]
        copies = self._copies(stores)
        segment = ForwardSegment(
            c.name,
            used,
            [v.range for v in c.writes],
            None if copies else Artifact(f"{stem}.pt2", Kernel(stem, self.graph, stores, self.state_size)),
            copies,
            dependencies=dependencies,
        )
        outputs = Outputs(self.graph)
        for output, given in sensitivities.wanted(c):
            rows = jacobian(self.graph, c.nodes_of(output), range(*_span(given)))
            entries = [n for row in rows for n in row]
            if any(n != self.graph.zero for n in entries):
                segment.blocks.append(Block(output.range, given.range, outputs.entries(entries)))
        alone = len(self.captured) == 1
        if segment.blocks and (outputs.nodes or alone):
            segment.derivative = self._derivative(outputs, f"{stem}_jvp")
        return segment

    def _copies(self, stores: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The stores as (from, to) if all they do is copy what none of them overwrites, as predictors do."""
        sources = [self.graph.value[node] if self.graph.op[node] == "input" else None for _, node in stores]
        targets = {component for component, _ in stores}
        if any(source is None or source in targets for source in sources):
            return []
        return [(int(source), target) for source, (target, _) in zip(sources, stores, strict=True)]  # type: ignore[arg-type]

    def _derivative(self, outputs: Outputs, stem: str) -> Artifact:
        if not outputs.nodes:  # every entry is constant; a kernel needs something to store
            outputs.append([self.graph.zero])
        return Artifact(f"{stem}.pt2", outputs.kernel(stem, self.state_size))

    def _implicit_segment(self, c: Captured, solve: Solve, stem: str, sensitivities: Any) -> ImplicitSegment:
        from neml2.compiler.solver_options import options_of

        components = [i for v in c.writes for i in range(*_span(v))]
        rows = jacobian(self.graph, c.residual, components)
        flat = [n for row in rows for n in row]
        outputs = Outputs(self.graph)
        outputs.append(c.residual)
        entries = outputs.entries(flat)
        solver = options_of(solve.update)
        segment = ImplicitSegment(
            c.name,
            [v.range for v in c.writes],
            [v.range for v in [*c.reads, *self._stored_parameters([*c.residual, *flat])]],
            Artifact(f"{stem}.pt2", outputs.kernel(stem, self.state_size)),
            len(c.residual),
            entries,
            solver,
            max_substepping_level=getattr(solve.update, "max_substepping_level", 0),
            incremental=self._incremental(solve),
        )
        if solver["type"] == "NewtonWithLineSearch":
            trial = Outputs(self.graph)
            trial.append(c.residual)
            segment.residual = Artifact(f"{stem}_residual.pt2", trial.kernel(f"{stem}_residual", self.state_size))
        given = [g for _, g in sensitivities.wanted(c)]
        if given:
            # a point whose step is cut depends on forces by way of both ends, and on the states in between
            for name, now, old in increments(solve):
                given += [old] if name in solve.unknowns else [now, old]
            self._implicit_derivative(segment, c, flat, _unique(given), stem)
        return segment

    def _implicit_derivative(
        self, segment: ImplicitSegment, c: Captured, flat: list[int], given: Any, stem: str
    ) -> None:
        outputs = Outputs(self.graph)
        segment.derivative_jacobian = outputs.entries(flat)
        for variable in given:
            rows = jacobian(self.graph, c.residual, range(*_span(variable)))
            entries = outputs.entries([n for row in rows for n in row])
            segment.blocks.append(Block((0, len(c.residual)), variable.range, entries))
        segment.derivative = self._derivative(outputs, f"{stem}_jvp")

    def _incremental(self, solve: Solve) -> list[dict[str, Any]]:
        """For substepping: each given that is a force with its old value, and each unknown with its old state."""
        return [
            {
                "kind": "state" if name in solve.unknowns else "force",
                "name": name,
                "current": list(now.range),
                "old": list(old.range),
            }
            for name, now, old in increments(solve)
        ]


class _Evaluate(torch.nn.Module):
    """`model.evaluate` as the forward function of a module, for functional_call."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: Any) -> Any:
        return self.model.evaluate(state)


def increments(solve: Solve) -> list[tuple[str, Variable, Variable]]:
    """What changes when a step is cut: (name, current value, old value); nothing for an update that cuts no steps."""
    if not getattr(solve.update, "max_substepping_level", 0):
        return []
    scope = {**solve.givens, **solve.unknowns}
    pairs = [(name, scope[name], scope.get(f"{name}~1")) for name in scope]
    return [(name, now, old) for name, now, old in pairs if old is not None]


def _flat(nodes: Any) -> list[int]:
    return [int(n) for n in nodes.reshape(-1)]


def _span(variable: Variable) -> tuple[int, int]:
    assert variable.offset is not None
    return (variable.offset, variable.offset + variable.size)


def _unique(variables: Iterable[Variable]) -> list[Variable]:
    return list({id(v): v for v in variables}.values())


def _slot(v: Variable) -> Slot:
    assert v.offset is not None
    return Slot(v.name, v.type.__name__, v.base_shape, v.sub_batch_shape, v.offset)


def _parameter_slot(p: Parameter) -> ParameterSlot:
    assert p.value is not None
    value = p.value.to(torch.float64).cpu().reshape(-1).tolist()
    return ParameterSlot(
        p.name, p.type.__name__, p.base_shape, p.sub_batch_shape, p.batch_shape, p.offset, p.promoted, value
    )

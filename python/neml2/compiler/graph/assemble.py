# SPDX-License-Identifier: MIT
"""A program from its steps: derivatives of the requested pairs are carried through them. The derivative of a program as
a program."""

from __future__ import annotations

from collections.abc import Sequence

from neml2.compiler.graph.chain import Chain, Columns
from neml2.compiler.graph.differentiate import Coupled
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.graph.program import Argument, Assign, Function, Linear, Program, Solve, Step
from neml2.compiler.graph.reverse import vjp

DERIVATIVES = ("jacobian", "jvp", "vjp")
"""Functions that a program can have for its pairs."""


def assemble(
    name: str,
    graph: PointGraph,
    inputs: list[Argument],
    parameters: int,
    outputs: list[Argument],
    pairs: list[tuple[int, int]],
    steps: list[Step],
    state_size: int,
    derivatives: Sequence[str] = DERIVATIVES,
) -> Program:
    """A program from its steps; `derivatives` of the pairs are taken here. Components up to `state_size` are in use.
    Raises Coupled where sites meet in a way that has no form."""
    ends = [a.leaves(graph) for a in outputs]
    solves = [s for s in steps if isinstance(s, Solve)]
    tangents = state_size
    size = state_size + max(sum(a.size for a in inputs), sum(a.size for a in outputs))
    program = Program(
        name, graph, inputs, parameters, outputs, pairs, solves, size, tangents, Function(steps, ends)
    )  # fmt: skip
    ways = {"jacobian": _jacobian, "jvp": _jvp, "vjp": vjp}
    for kind in derivatives if pairs else ():
        program.state_size, longest = size, program.state_size  # functions need no places of one another
        setattr(program, kind, ways[kind](program))
        program.state_size = max(program.state_size, longest)
    return program


def _jacobian(program: Program) -> Function:
    seeds: dict[int, Columns] = {}
    first: dict[int, int] = {}
    for given in dict.fromkeys(given for _, given in program.pairs):
        if program.inputs[given].along:
            raise Coupled(f"a derivative by '{program.inputs[given].name}', which has sites")
        first[given] = len(seeds)
        for leaf in program.inputs[given].leaves(program.graph):
            seeds[leaf] = {len(seeds): program.graph.one}
    chain = Chain(program, seeds).through(program.forward.steps)
    blocks = [
        [
            chain.at(row, first[given] + k)
            for row in program.outputs[out].leaves(program.graph)
            for k in range(program.inputs[given].size)
        ]
        for out, given in program.pairs
    ]
    return Function(chain.steps, program.forward.outputs, blocks)


def _jvp(program: Program) -> Function:
    """One column for each set of inputs that some outputs are differentiated with respect to."""
    sets = [frozenset(g for o, g in program.pairs if o == out) for out in range(len(program.outputs))]
    distinct = [s for s in dict.fromkeys(sets) if s]
    seeds: dict[int, Columns] = {}
    moving = program.direction_leaves("jvp")
    for given, argument in enumerate(program.inputs):
        for leaf, tangent in zip(argument.leaves(program.graph), moving[given], strict=True):
            columns = {k: tangent for k, s in enumerate(distinct) if given in s}
            if columns:
                seeds[leaf] = columns
    chain = Chain(program, seeds).through(program.forward.steps)
    results = [
        [chain.at(leaf, distinct.index(s)) if s else program.graph.zero for leaf in a.leaves(program.graph)]
        for a, s in zip(program.outputs, sets, strict=True)
    ]
    return Function(chain.steps, program.forward.outputs, results)


def derivative(base: Program, name: str, of: str, wrt: str, value: bool = False) -> Program:
    """A program `name` of the same inputs, with one output `d<of>_d<wrt>` of shape (*of, *wrt); with `value`, the
    output `of` before it. The graph of `base` grows. Raises NotImplementedError where `base` is a derivative of an
    implicit function."""
    check_explicit(base, name)
    out = next(k for k, a in enumerate(base.outputs) if a.name == of)
    given = next(k for k, a in enumerate(base.inputs) if a.name == wrt)
    steps, same = base.forward.steps, (base.name, base.graph, base.inputs, base.parameters, base.outputs)
    full = assemble(*same, [(out, given)], steps, base.tangents, ["jacobian"])
    assert full.jacobian is not None
    shape = (*base.outputs[out].shape, *base.inputs[given].shape)
    block = Argument(f"d{of}_d{wrt}", "Tensor", shape, full.state_size)
    stores = list(zip(block.components, full.jacobian.derivatives[0], strict=True))
    results = [base.outputs[out], block] if value else [block]
    wanted = set(base.outputs[out].components) if value else set()
    steps = [s for s in full.jacobian.steps if not isinstance(s, Assign) or _needed(full, s, stores, wanted)]
    size = block.offset + block.size
    steps.append(Assign(stores))
    return assemble(name, base.graph, base.inputs, base.parameters, results, [], steps, size)


def check_explicit(base: Program, name: str) -> None:
    """Raises NotImplementedError where `base` is a derivative of an implicit function."""
    if any(isinstance(step, Linear) for step in base.forward.steps):
        text = "second derivatives of implicit functions are not available; take differences of the first ones"
        raise NotImplementedError(f"{name}: {text}")


def _needed(program: Program, step: Assign, stores: list[tuple[int, int]], wanted: set[int]) -> bool:
    """Whether what `step` assigns is wanted, or read by another step or by the derivative."""
    nodes = [n for _, n in stores]
    components = set(wanted)
    for other in program.jacobian.steps:  # type: ignore[union-attr]
        if isinstance(other, Solve):
            nodes += [*other.residual, *(n for row in other.jacobian for n in row)]
            components |= set(other.unknowns)
        elif isinstance(other, Linear):
            nodes += [n for row in other.right for n in row]
        elif other is not step:
            nodes += [n for _, n in other.stores]
    components |= program.graph.inputs_of(nodes)
    return any(c in components for c, _ in step.stores)

# SPDX-License-Identifier: MIT
"""A program from its steps: derivatives of the requested pairs are carried through them."""

from __future__ import annotations

from collections.abc import Sequence

from neml2.compiler.graph.chain import Chain, Columns
from neml2.compiler.graph.differentiate import Coupled
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.graph.program import Argument, Function, Program, Solve, Step
from neml2.compiler.graph.reverse import vjp


def assemble(
    name: str,
    graph: PointGraph,
    inputs: list[Argument],
    parameters: int,
    outputs: list[Argument],
    pairs: list[tuple[int, int]],
    steps: list[Step],
    state_size: int,
    derivatives: Sequence[str] = ("jacobian", "jvp", "vjp"),
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

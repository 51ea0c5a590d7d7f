# SPDX-License-Identifier: MIT
"""The derivative of a program as a program."""

from __future__ import annotations

from neml2.compiler.graph.assemble import assemble
from neml2.compiler.graph.program import Argument, Assign, Linear, Program, Solve


def derivative(base: Program, name: str, of: str, wrt: str, value: bool = False) -> Program:
    """A program `name` of the same inputs, with one output `d<of>_d<wrt>` of shape (*of, *wrt); with `value`, the
    output `of` before it. The graph of `base` grows. Raises NotImplementedError where `base` is a derivative of an
    implicit function."""
    check_explicit(base, name)
    out = next(k for k, a in enumerate(base.outputs) if a.name == of)
    given = next(k for k, a in enumerate(base.inputs) if a.name == wrt)
    steps, same = base.forward.steps, (base.name, base.graph, base.inputs, base.parameters, base.outputs)
    full = assemble(*same, [(out, given)], steps, base.tangents)
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

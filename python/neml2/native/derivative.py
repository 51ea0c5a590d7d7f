# SPDX-License-Identifier: MIT
"""Derivatives of native functions as native functions."""

from __future__ import annotations

from neml2.compiler.native.program import Argument, Assign, Linear, Program, Solve, assemble
from neml2.native.function import NumericalFunction


class Jacobian(NumericalFunction):
    """The derivative of one output of a function with respect to one of its inputs; see NumericalFunction.jacobian."""

    def __init__(self, function: NumericalFunction, of: str, wrt: str) -> None:
        self.function, self.of, self.wrt = function, of, wrt
        output = f"d{of}_d{wrt}"
        self._describe(f"{function.name}_{output}", dict(function.inputs), [output], function.dtype)
        self.fn, self._types, self._fixed = function.fn, function._types, function._fixed

    def _assemble(self) -> Program:
        with self.function._lock:  # its graph grows
            return self._extend(self.function.program)

    def _extend(self, base: Program) -> Program:
        if any(isinstance(step, Linear) for step in base.forward.steps):
            raise NotImplementedError(f"{self.name}: second derivatives of implicit functions are not available")
        out = next(k for k, a in enumerate(base.outputs) if a.name == self.of)
        given = next(k for k, a in enumerate(base.inputs) if a.name == self.wrt)
        steps, names = base.forward.steps, (base.name, base.graph, base.inputs, base.parameters, base.outputs)
        full = assemble(*names, [(out, given)], steps, base.tangents)
        assert full.jacobian is not None
        shape = (*base.outputs[out].shape, *base.inputs[given].shape)
        block = Argument(self.output_names[0], "Tensor", shape, full.state_size)
        stores = list(zip(block.components, full.jacobian.derivatives[0], strict=True))
        steps = [step for step in full.jacobian.steps if not isinstance(step, Assign) or _needed(full, step, stores)]
        size = block.offset + block.size
        return assemble(
            self.name, base.graph, base.inputs, base.parameters, [block], [], [*steps, Assign(stores)], size
        )


def _needed(program: Program, step: Assign, stores: list[tuple[int, int]]) -> bool:
    """Whether a later step or the derivative reads what `step` assigns."""
    nodes = [n for _, n in stores]
    components: set[int] = set()
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

# SPDX-License-Identifier: MIT
"""Derivatives of native functions as native functions."""

from __future__ import annotations

from neml2.compiler.native.program import Argument, Assign, Linear, Program, Solve, assemble
from neml2.native.function import NumericalFunction


class Jacobian(NumericalFunction):
    """The derivative of one output of a function with respect to one of its inputs; see NumericalFunction.jacobian."""

    def __init__(self, function: NumericalFunction, of: str, wrt: str, value: bool = False) -> None:
        self.function, self.of, self.wrt, self.value = function, of, wrt, value
        block = f"d{of}_d{wrt}"
        name = f"{function.name}_{f'{of}_' if value else ''}{block}"
        self._describe(name, dict(function.inputs), [of, block] if value else [block], function.dtype)
        self.fn, self._types, self._fixed = function.fn, function._types, function._fixed

    def _assemble(self) -> Program:
        with self.function._lock:  # its graph grows
            return self._extend(self.function.program)

    def _extend(self, base: Program) -> Program:
        if any(isinstance(step, Linear) for step in base.forward.steps):
            text = "second derivatives of implicit functions are not available; take differences of the first ones"
            raise NotImplementedError(f"{self.name}: {text}")
        out = next(k for k, a in enumerate(base.outputs) if a.name == self.of)
        given = next(k for k, a in enumerate(base.inputs) if a.name == self.wrt)
        steps, names = base.forward.steps, (base.name, base.graph, base.inputs, base.parameters, base.outputs)
        full = assemble(*names, [(out, given)], steps, base.tangents)
        assert full.jacobian is not None
        shape = (*base.outputs[out].shape, *base.inputs[given].shape)
        block = Argument(self.output_names[-1], "Tensor", shape, full.state_size)
        stores = list(zip(block.components, full.jacobian.derivatives[0], strict=True))
        results = [base.outputs[out], block] if self.value else [block]
        wanted = set(base.outputs[out].components) if self.value else set()
        steps = [s for s in full.jacobian.steps if not isinstance(s, Assign) or _needed(full, s, stores, wanted)]
        size = block.offset + block.size
        steps.append(Assign(stores))
        return assemble(self.name, base.graph, base.inputs, base.parameters, results, [], steps, size)


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

# SPDX-License-Identifier: MIT
"""Runs a plan with plain Python: what the runtime does with the kernels, for one material point."""

from __future__ import annotations

import numpy as np

from neml2.compiler.plan.plan import Artifact, Entries, ForwardSegment, ImplicitSegment, Plan


def _kernel(artifact: Artifact, state: np.ndarray) -> np.ndarray:
    """Evaluate a kernel: into the state, or into an array of its own, which is returned."""
    kernel = artifact.kernel
    values = kernel.graph.evaluate([node for _, node in kernel.stores], state.tolist())
    out = state if kernel.in_place else np.zeros(kernel.output_size or 0)
    for (component, _), value in zip(kernel.stores, values, strict=True):
        out[component] = value
    return out


def _matrix(entries: Entries, out: np.ndarray, rows: int) -> np.ndarray:
    flat = [out[i] if i >= 0 else entries.constants[-i - 1] for i in entries.index]
    return np.array(flat).reshape(rows, -1)


def _components(ranges) -> list[int]:
    return [c for offset, size in ranges for c in range(offset, offset + size)]


def evaluate(plan: Plan, inputs: dict[str, np.ndarray], parameters: dict[str, float] | None = None):
    """(outputs by name, J[output][input] of the requested pairs) at one point."""
    state = np.full(plan.state_size, np.nan)
    for slot in plan.inputs:
        state[slot.offset : slot.offset + slot.size] = np.reshape(inputs[slot.name], -1)
    for p in plan.parameters:
        if p.offset is not None:
            state[p.offset : p.offset + p.size] = (parameters or {}).get(p.name, p.value)
    gradient = np.eye(plan.state_size)  # d(component)/d(initial component)
    for segment in plan.segments:
        _forward(segment, state, gradient) if isinstance(segment, ForwardSegment) else _solve(segment, state, gradient)
    outputs = {s.name: state[s.offset : s.offset + s.size].reshape(s.shape) for s in plan.outputs}
    places = {s.name: s for s in [*plan.inputs, *plan.parameters]}
    rows = {s.name: s for s in plan.outputs}
    blocks: dict[str, dict[str, np.ndarray]] = {}
    for pair in plan.derivatives:
        out, given = rows[pair["output"]], places[pair["input"]]
        block = gradient[out.offset : out.offset + out.size, given.offset : given.offset + given.size]
        blocks.setdefault(out.name, {})[given.name] = block
    return outputs, blocks


def _forward(segment: ForwardSegment, state: np.ndarray, gradient: np.ndarray) -> None:
    before = gradient.copy()
    out = _kernel(segment.derivative, state) if segment.derivative else np.zeros(0)
    for target, source in ((t, s) for s, t in segment.copies):
        state[target] = state[source]
    if segment.value is not None:
        _kernel(segment.value, state)
    gradient[_components(segment.outputs)] = 0
    for block in segment.blocks:
        partial = _matrix(block.entries, out, block.output[1])
        gradient[_components([block.output])] += partial @ before[_components([block.input])]


def _solve(segment: ImplicitSegment, state: np.ndarray, gradient: np.ndarray) -> None:
    unknowns, n = _components(segment.unknowns), segment.residual_size
    for _ in range(60):
        out = _kernel(segment.newton, state)
        step = np.linalg.solve(_matrix(segment.jacobian, out, n), out[:n])
        state[unknowns] -= step
        if np.linalg.norm(step) <= 1e-13 * (1 + np.linalg.norm(state[unknowns])):
            break
    rows = np.zeros((n, gradient.shape[1]))
    if segment.derivative is not None and segment.derivative_jacobian is not None:
        out = _kernel(segment.derivative, state)
        for block in segment.blocks:
            rows += _matrix(block.entries, out, n) @ gradient[_components([block.input])]
        rows = -np.linalg.solve(_matrix(segment.derivative_jacobian, out, n), rows)
    gradient[unknowns] = rows

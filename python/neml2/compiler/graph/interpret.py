# SPDX-License-Identifier: MIT
"""Programs, interpreted with NumPy: the reference for what a printed kernel computes.

A state maps components to arrays of one value a point. Newton's method follows the rules of neml2/solvers/Newton.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neml2.compiler.graph.analysis import involved
from neml2.compiler.graph.pointgraph import PYTHON_SEMANTICS, PointGraph
from neml2.compiler.graph.program import Assign, Function, Program, Settings, Solve

Array = NDArray[Any]
State = dict[int, Array]

NUMPY_SEMANTICS: dict[str, Callable[..., Any]] = {
    **PYTHON_SEMANTICS,
    "recip": lambda a: 1.0 / np.asarray(a, dtype=float),
    "div": lambda a, b: np.asarray(a, dtype=float) / b,
    **{op: getattr(np, op) for op in ("sqrt", "exp", "log", "sign", "sin", "cos", "tan")},
    **{op: getattr(np, op) for op in ("sinh", "cosh", "tanh", "floor")},
    "erf": np.vectorize(math.erf, otypes=[float]), "atan2": np.arctan2,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "abs": np.abs, "pow": np.power,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not, "where": np.where,
}  # fmt: skip


@dataclass
class Solution:
    """By point: whether a solve converged, the updates it made."""

    converged: Array
    iterations: Array


def evaluate(graph: PointGraph, nodes: list[int], state: Mapping[int, Array], points: int) -> Array:
    """Values of nodes: (len(nodes), points)."""
    with np.errstate(all="ignore"):
        values = graph.evaluate(nodes, state, NUMPY_SEMANTICS)  # type: ignore[arg-type]
    return np.array([np.broadcast_to(np.asarray(v, dtype=np.float64), (points,)) for v in values]).reshape(
        len(nodes), points
    )


def run(program: Program, function: Function, state: State) -> tuple[list[Array], list[Array], list[Solution]]:
    """Outputs, derivatives (each (components, points)), and what became of each solve. `state` holds the inputs, and
    for the jvp their tangents, for the vjp cotangents of the outputs; it is completed. Raises ValueError for a program
    with sites."""
    if any(program.graph.size):
        raise ValueError(f"{program.name} has sites; only programs without are interpreted")
    points = len(next(iter(state.values()))) if state else 1
    graph, solutions = program.graph, []
    for step in function.steps:
        if isinstance(step, Assign):
            values = evaluate(graph, [n for _, n in step.stores], state, points)
            state.update({component: value for (component, _), value in zip(step.stores, values, strict=True)})
        elif isinstance(step, Solve):
            solutions.append(newton(graph, step, state, points))
        else:
            rows, columns = len(step.right), len(step.right[0])
            a = _matrix(graph, step.solve, state, points)
            right = evaluate(graph, [n for row in step.right for n in row], state, points)
            found = np.linalg.solve(
                np.swapaxes(a, 1, 2) if step.transposed else a, -np.moveaxis(right.reshape(rows, columns, points), 2, 0)
            )
            state.update({t: found[:, i, j] for i, row in enumerate(step.targets) for j, t in enumerate(row)})
    results = [evaluate(graph, nodes, state, points) for nodes in (*function.outputs, *function.derivatives)]
    return results[: len(function.outputs)], results[len(function.outputs) :], solutions


def _matrix(graph: PointGraph, solve: Solve, state: State, points: int) -> Array:
    n = len(solve.unknowns)
    entries = evaluate(graph, [e for row in solve.jacobian for e in row], state, points)
    return np.moveaxis(entries.reshape(n, n, points), 2, 0)


def newton(graph: PointGraph, solve: Solve, state: State, points: int) -> Solution:
    """Newton's method, each point on its own, where all that it is given is finite; line search included, substepping
    not."""
    options = solve.settings
    active = np.ones(points, bool)
    converged = np.zeros(points, bool)
    iterations = np.zeros(points, int)
    initial, a = np.zeros(points), np.zeros((points, len(solve.unknowns), len(solve.unknowns)))
    for component in solve.unknowns:
        state[component] = np.array(state[component], dtype=np.float64)
    for component in involved(graph, solve):
        active &= np.isfinite(np.broadcast_to(np.asarray(state[component], dtype=np.float64), (points,)))
    for iteration in range(options.max_its):
        r = evaluate(graph, solve.residual, state, points)
        norm = np.sqrt((r * r).sum(0))
        if iteration == 0:
            initial = norm
        iterations[active] = iteration
        with np.errstate(all="ignore"):
            done = active & ((norm < options.abs_tol) | (norm / initial < options.rel_tol))
        for p in np.flatnonzero(done & (norm >= options.abs_tol)) if options.final_update and iteration else ():
            last = np.linalg.solve(a[p], r[:, p])
            for i, component in enumerate(solve.unknowns):
                state[component][p] -= last[i]
        converged |= done
        active = active & ~done & np.isfinite(norm)
        if iteration + 1 >= options.max_its or not active.any():
            break
        a = _matrix(graph, solve, state, points)
        x = np.zeros((points, len(solve.unknowns)))
        for p in np.flatnonzero(active):
            try:
                x[p] = np.linalg.solve(a[p], r[:, p])
            except np.linalg.LinAlgError:
                active[p] = False
        alpha = (
            _search(graph, solve, state, points, options, r, x.T, active) if options.line_search else np.ones(points)
        )
        for i, component in enumerate(solve.unknowns):
            state[component] = np.where(active, state[component] - alpha * x[:, i], state[component])
    return Solution(converged, iterations)


def _search(
    graph: PointGraph, solve: Solve, state: State, points: int, options: Settings, r: Array, x: Array, active: Array
) -> Array:
    squared, slope = (r * r).sum(0), (r * x).sum(0)
    alpha, candidate, searching = np.ones(points), np.ones(points), active.copy()
    for _ in range(1, options.max_line_search):
        if not searching.any():
            break
        trial = {**state, **{c: state[c] - candidate * x[i] for i, c in enumerate(solve.unknowns)}}
        at = (evaluate(graph, solve.residual, trial, points) ** 2).sum(0)
        c = options.criterion
        limit = squared - 2 * c * candidate * slope if options.line_search == 1 else (1 - c * candidate) * squared
        alpha = np.where(searching, candidate, alpha)
        searching = searching & ~((at <= limit) | (at <= options.abs_tol**2))
        candidate = np.where(searching, candidate / options.cutback, candidate)
    return alpha

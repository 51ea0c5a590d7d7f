# SPDX-License-Identifier: MIT
"""Newton's method for one point at a time, in plain Python: what the orchestrator in C++ has to agree with."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Options:
    abs_tol: float = 1e-10
    rel_tol: float = 1e-8
    max_its: int = 25
    search: str = ""
    max_linesearch_iterations: int = 10
    cutback: float = 2.0
    criteria: float = 1e-3


def step_length(function, u, du, r, options):
    norm2, slope = r @ r, -(r @ du)
    alpha = taken = 1.0
    for _ in range(1, options.max_linesearch_iterations):
        taken = alpha
        trial, _ = function(u + alpha * du)
        if options.search == "BACKTRACKING":
            limit = norm2 - 2 * options.criteria * alpha * slope
        else:
            limit = (1 - options.criteria * alpha) * norm2
        if trial @ trial <= limit or trial @ trial <= options.abs_tol**2:
            break
        alpha /= options.cutback
    return taken


def solve(function, u, options):
    """(u, status, updates) with the status numbers of the orchestrator."""
    first = None
    for iteration in range(options.max_its):
        r, jacobian = function(u)
        norm = np.linalg.norm(r)
        first = norm if first is None else first
        if norm < options.abs_tol:
            return u, 0, iteration
        if norm / first < options.rel_tol:
            return u - np.linalg.solve(jacobian, r), 0, iteration
        if not np.isfinite(norm):
            return u, 2, iteration
        if iteration + 1 >= options.max_its:
            return u, 1, iteration
        if abs(np.linalg.det(jacobian)) == 0.0:
            return u, 3, iteration
        du = -np.linalg.solve(jacobian, r)
        u = u + (step_length(function, u, du, r, options) if options.search else 1.0) * du
    raise AssertionError("not reached")

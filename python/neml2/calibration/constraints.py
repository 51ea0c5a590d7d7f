# SPDX-License-Identifier: MIT
"""Linear constraints in words: `C1 - 2*C2 >= 0; C1 + C2 <= 5e4`."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from ..errors import listing, suggestion
from .gauss_newton import Constraints

_BOUNDS = {ast.LtE: (-np.inf, 0.0), ast.GtE: (0.0, np.inf), ast.Eq: (0.0, 0.0)}


def parse(text: str, names: Sequence[str]) -> Constraints:
    """Raises ValueError for what is no sum of the names, times numbers, compared by <=, >= or ==."""
    rows, low, high = [], [], []
    for part in filter(str.strip, text.split(";")):
        row, constant, bounds = _one(part.strip(), list(names))
        rows.append(row)
        low.append(bounds[0] - constant)
        high.append(bounds[1] - constant)
    return Constraints(np.array(rows).reshape(-1, len(names)), np.array(low), np.array(high))


def _one(text: str, names: list[str]) -> tuple[list[float], float, tuple[float, float]]:
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        tree = None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _BOUNDS:
        raise ValueError(f"'{text}' is no constraint; expected e.g. '{names[0]} - 2*{names[-1]} >= 0'")
    left, right = _linear(tree.left, text, names), _linear(tree.comparators[0], text, names)
    difference = left - right
    return difference[:-1].tolist(), float(difference[-1]), _BOUNDS[type(tree.ops[0])]


def _linear(node: ast.expr, text: str, names: list[str]) -> np.ndarray:
    """Coefficients of the names, and the constant."""
    found = np.zeros(len(names) + 1)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        found[-1] = node.value
        return found
    if isinstance(node, ast.Name):
        if node.id not in names:
            hint = suggestion(node.id, names) or f"; there are: {listing(names)}"
            raise ValueError(f"'{text}': no parameter '{node.id}'{hint}")
        found[names.index(node.id)] = 1.0
        return found
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _linear(node.operand, text, names) * (-1 if isinstance(node.op, ast.USub) else 1)
    if isinstance(node, ast.BinOp):
        a, b = _linear(node.left, text, names), _linear(node.right, text, names)
        if isinstance(node.op, ast.Add | ast.Sub):
            return a + b if isinstance(node.op, ast.Add) else a - b
        if isinstance(node.op, ast.Mult) and not (a[:-1].any() and b[:-1].any()):
            return a * b[-1] if a[:-1].any() else b * a[-1]
        if isinstance(node.op, ast.Div) and not b[:-1].any() and b[-1]:
            return a / b[-1]
    raise ValueError(f"'{text}' is not linear in the parameters: '{ast.unparse(node)}'")

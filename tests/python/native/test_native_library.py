# SPDX-License-Identifier: MIT
"""Compiled kernels of a seeded sample of all model types: values and derivatives are those of the interpreted graph."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from native_kernels import built

from neml2.compiler.graph import interpret
from neml2.compiler.graph.assemble import assemble
from neml2.compiler.graph.program import Argument, Assign

sys.path.insert(0, str(Path(__file__).parents[1] / "models" / "library"))
from library_checks import POINTS, POINTWISE, Captured, draw

SAMPLE = 6
COUNT = 8  # types compiled together, to spare the compiler's start


def _groups():
    order = np.random.default_rng(2024).permutation(len(POINTWISE))
    return [[POINTWISE[i] for i in order[k * COUNT : (k + 1) * COUNT]] for k in range(SAMPLE)]


@pytest.mark.parametrize("group", _groups(), ids=lambda g: g[0].type)
def test_compiled_values_and_derivatives(group):
    for example in group:
        graph = Captured(example, example.model)
        nodes = [*graph.nodes, *(n for row in graph.rows for n in row)]
        values = draw(example, 3, (POINTS,))
        values |= {
            n: np.broadcast_to(v, (POINTS, *np.shape(v))) for n, v in example.parameters().items() if n not in values
        }
        columns = [np.reshape(values[n], (POINTS, -1)) for n in graph.shapes]
        flat = np.concatenate(columns, -1) if columns else np.zeros((POINTS, 0))
        if not nodes or not flat.shape[1] or len(nodes) > 4000:
            continue
        size = graph.size
        state = Argument("state", "Vec", (size,), 0)
        output = Argument("values", "Vec", (len(nodes),), size)
        steps = [Assign([(size + i, n) for i, n in enumerate(nodes)])]
        made = assemble(example.type, graph.graph, [state], 0, [output], [], steps, size + len(nodes))
        want = interpret.evaluate(graph.graph, nodes, dict(enumerate(flat.T)), POINTS).T
        library = built(made)
        wide = library.forward({"state": flat})[0]["values"]
        one = np.stack([library.forward({"state": row})[0]["values"] for row in flat])
        for found in (wide, one):
            scale = np.maximum(np.abs(want).max(axis=0, initial=0.0), 1e-6)
            assert (np.abs(found - want) <= 1e-10 * scale).all(), example.type

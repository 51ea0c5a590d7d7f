# SPDX-License-Identifier: MIT
"""The point graph of every model computes what the model computes, and its derivatives are those of the model."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from library_checks import EXAMPLES, POINTS, POINTWISE, Captured
from library_examples import F64

from neml2.compiler.frontend.capture import CaptureError, capture
from neml2.compiler.graph.pointgraph import PointGraph

VARIANTS = [pytest.param(e, False, id=f"{e}-stored") for e in POINTWISE]
VARIANTS += [pytest.param(e, True, id=f"{e}-promoted") for e in POINTWISE if e.promotable()]


@cache
def captured(index: int, promoted: bool) -> Captured:
    example = POINTWISE[index]
    return Captured(example, example.promoted if promoted else example.model)


def close_at_each_point(actual, expected, rtol, what):
    """Equal up to `rtol` of the largest component at each point."""
    assert np.isfinite(expected).all(), f"{what}: the model is not finite: {expected}"
    scale = np.abs(expected).max(axis=tuple(range(1, expected.ndim)), keepdims=True, initial=1e-4)
    error = np.abs(actual - expected) / scale
    assert error.max(initial=0.0) <= rtol, f"{what}: {error.max()} at {np.unravel_index(error.argmax(), error.shape)}"


UNIT = st.floats(0.0, 1.0).map(lambda x: round(x, 6))  # ends, ties and ordinary numbers, but no rounding noise


@pytest.mark.parametrize("example, promoted", VARIANTS)
def test_graph_agrees_with_eager(example, promoted):
    graph = captured(POINTWISE.index(example), promoted)

    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data):
        agree(example, graph, lambda shape: data.draw(arrays(float, shape, elements=UNIT, fill=UNIT)))

    check()
    for edge in (0.0, 0.5, 1.0):  # ends of the domains, and their middle, which for most is zero
        agree(example, graph, lambda shape, edge=edge: np.full(shape, edge))


def agree(example, graph, unit):
    model = graph.model
    values = example.inputs(unit, (POINTS,))
    for name, value in example.parameters().items():
        if name in model.input_spec:
            values[name] = value * (0.95 + 0.1 * unit((POINTS, *np.shape(value))))
    outputs, J = model.jacobian(example.typed(model, values))
    found = graph.split(graph.run(graph.nodes, values))
    for name, value in outputs.items():
        eager = np.broadcast_to(value.data.detach().numpy(), (POINTS, *graph.outputs[name])).reshape(POINTS, -1)
        close_at_each_point(found[name], eager, 1e-12, name)
    count = max(len(graph.nodes), 1)
    slopes = graph.run([node for row in graph.rows for node in row], values) if graph.size else np.zeros((POINTS, 0))
    slopes = graph.split(slopes.reshape(POINTS, count, graph.size))
    for out in outputs:
        offset = 0
        for to, shape in graph.shapes.items():
            size = int(np.prod(shape))
            block = J[out][to].detach().numpy().reshape(POINTS, -1, size)
            close_at_each_point(
                slopes[out][:, :, offset : offset + size], block, 1e-10, f"d {out} / d {to} at {values}"
            )
            offset += size


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.lead and not e.sites], ids=str)
def test_a_reduction_of_points_is_no_function_of_one_point(example):
    x = torch.zeros(6, dtype=F64)
    with pytest.raises((CaptureError, ValueError), match="a single material point has none"):
        capture(PointGraph(), lambda a: [example.model(a).data], [x], [np.zeros(6, dtype=np.int64)])

# SPDX-License-Identifier: MIT
"""Normality around every model with a Scalar output: its values are the gradient, its derivative the Hessian."""

from __future__ import annotations

import numpy as np
import pytest
from library_checks import EXAMPLES, Captured, array, close, differences, draw

from neml2.models.solid_mechanics.normality import Normality
from neml2.types import Scalar

SCALAR = [
    e for e in EXAMPLES
    if Scalar in e.model.output_spec.values() and list((e.promoted or e.model).input_spec)
    and not e.lead and not e.sections
]  # fmt: skip


@pytest.mark.parametrize("example", SCALAR, ids=str)
def test_gradient_and_hessian_of_every_scalar_function(example):
    inner = example.promoted or example.model
    names = list(inner.input_spec)
    k, function = next((k, n) for k, (n, t) in enumerate(inner.output_spec.items()) if t is Scalar)
    normality = Normality(model=inner, function=function, **{"from": names, "to": [f"d_{n}" for n in names]})
    assert list(normality.input_spec) == names

    values = {**draw(example, 0), **example.parameters()}
    values = {name: values[name] for name in names}
    gradients, hessian = normality.jacobian(example.typed(inner, values))
    for name in names:
        low, high = example.interval(name)
        width = max(abs(float(values[name])), 0.1) if name.startswith("var_") else np.max(high - low)
        expected = differences(example.expected, values, name, width)[k]
        close(array(gradients[f"d_{name}"]), expected, 2e-8, name)
        assert type(gradients[f"d_{name}"]) is inner.input_spec[name]

        def gradient(changed):
            return [array(v) for v in normality.evaluate(example.typed(inner, changed)).values()]

        for to, block in zip(names, differences(gradient, values, name, width), strict=True):
            close(hessian[f"d_{to}"][name].detach().numpy(), block, 1e-7, f"d2 / d {to} d {name}")

    graph = Captured(example, normality)
    many = {name: np.broadcast_to(v, (4, *np.shape(v))) for name, v in values.items()}
    found = graph.split(graph.run(graph.nodes, many))
    slopes = graph.run([n for row in graph.rows for n in row], many).reshape(4, -1, graph.size)[0]
    row = 0
    for to in names:
        expected = array(gradients[f"d_{to}"]).reshape(-1)
        close(found[f"d_{to}"][0], expected, 1e-12, to)
        blocks = [hessian[f"d_{to}"][n].detach().numpy().reshape(expected.size, -1) for n in names]
        close(slopes[row : row + expected.size], np.concatenate(blocks, -1), 1e-10, f"Hessian, {to}")
        row += expected.size


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.type == "ResolvedShear"], ids=str)
def test_a_function_that_makes_sites_is_refused(example):
    normality = Normality(model=example.model, function="resolved_shears", **{"from": ["stress"], "to": ["flow"]})
    with pytest.raises(ValueError, match="a value for each of 3 sites"):
        normality.evaluate(example.typed(example.model, draw(example, 0)))

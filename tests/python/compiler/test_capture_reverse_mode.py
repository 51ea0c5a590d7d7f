# SPDX-License-Identifier: MIT
"""Functions that differentiate by reverse mode themselves, as Normality does, can be captured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neml2.compiler.frontend.capture import capture, inputs
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.pointgraph import PointGraph

UNARY = ("abs", "acos", "asin", "atan", "cos", "cosh", "exp", "log", "neg", "reciprocal", "relu", "rsqrt", "sigmoid",
         "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "log10", "log1p", "exp2")  # fmt: skip
FUNCTIONS = {
    **{name: getattr(torch, name) for name in UNARY},
    "pow": lambda x: x**2.5,
    "pow of x": lambda x: torch.pow(2.5, x),
    "clamp": lambda x: torch.clamp(x, 0.1, 0.6) * x,
    "maximum": lambda x: torch.maximum(x, 1 - x) * torch.minimum(x, 0.5 * x),
    "where": lambda x: torch.where(x > 0.2, x * x, torch.exp(x)),
    "norm": lambda x: torch.sqrt((torch.stack([x, 2 * x, x * x]) ** 2).sum() + 1e-16),
    "cat": lambda x: torch.cat([x[None], torch.ones(2, dtype=x.dtype)])[:2].sum(),
    "matmul": lambda x: (torch.stack([x, x * x])[None, :] @ torch.stack([x, 1 / x])[:, None]).sum(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_gradient_by_reverse_mode_is_captured_and_differentiated(name):
    x = torch.tensor(0.37, dtype=torch.float64)
    gradient = torch.func.grad(FUNCTIONS[name])
    graph = PointGraph()
    (node,) = capture(graph, lambda v: [gradient(v)], [x], [inputs(graph, 0, ())])
    (value,) = graph.evaluate([int(node)], [x.item()])
    np.testing.assert_allclose(value, gradient(x).item(), rtol=1e-13)
    ((slope,),) = jacobian(graph, [int(node)], [0])
    (second,) = graph.evaluate([slope], [x.item()])
    np.testing.assert_allclose(second, torch.func.grad(gradient)(x).item(), rtol=1e-12)

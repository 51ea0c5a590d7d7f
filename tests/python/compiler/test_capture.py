# SPDX-License-Identifier: MIT
"""A captured function computes what the function computes, and what its derivatives are."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.compiler.frontend.capture import CaptureError, capture, inputs
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.pointgraph import PointGraph

F64 = torch.float64


def captured(function, *arguments):
    """(graph, output nodes, state) of a function of tensors."""
    graph = PointGraph()
    offsets = np.cumsum([0, *(a.numel() for a in arguments)])
    nodes = [inputs(graph, int(o), a.shape) for o, a in zip(offsets, arguments, strict=False)]
    outputs = capture(graph, lambda *xs: [function(*xs)], arguments, nodes)
    state = torch.cat([a.reshape(-1) for a in arguments]).tolist()
    return graph, outputs[0], state


def check(function, *arguments, rtol=1e-13):
    graph, nodes, state = captured(function, *arguments)
    expected = function(*arguments)
    assert nodes.shape == tuple(expected.shape)
    flat = [int(n) for n in nodes.reshape(-1)]
    values = np.array(graph.evaluate(flat, state), dtype=float)
    np.testing.assert_allclose(values, expected.to(F64).reshape(-1).numpy(), rtol=rtol, atol=1e-13)
    rows = jacobian(graph, flat, range(len(state)))
    got = np.array([graph.evaluate(row, state) for row in rows], dtype=float)
    exact = torch.func.jacfwd(lambda x: function(*_split(x, arguments)).to(F64))(torch.tensor(state, dtype=F64))
    np.testing.assert_allclose(got, exact.reshape(len(flat), -1).numpy(), rtol=1e-11, atol=1e-11)


def _split(x, arguments):
    parts = torch.split(x, [a.numel() for a in arguments])
    return [p.reshape(a.shape) for p, a in zip(parts, arguments, strict=True)]


A = torch.tensor([0.3, 1.2, -0.7, 2.0, 0.1, -1.1], dtype=F64)
B = torch.tensor([1.3, 0.2, 0.9, 0.4, 2.2, 0.8], dtype=F64)
M = torch.tensor([[1.0, 0.2, -0.3], [0.4, 1.5, 0.6], [-0.7, 0.8, 2.0]], dtype=F64)
X = torch.tensor(0.37, dtype=F64)

FUNCTIONS = {
    "arithmetic": (lambda a, b: (a + 2 * b) * a - b / (b + 3) + (1 - a), A, B),
    "powers": (lambda a, b: b**2.5 + b**3 + b**-2 + b**0.5 + a**2 + b.reciprocal() + b.rsqrt(), A, B),
    "variable power": (lambda a, b: b**a, A, B),
    "exponentials": (
        lambda a, b: torch.exp(a) + torch.log(b) + torch.log10(b) + torch.log1p(b) + torch.exp2(a),
        A,
        B,
    ),
    "trigonometry": (
        lambda a: torch.sin(a) + torch.cos(a) * torch.tan(a / 3) + torch.asin(a / 5) + torch.acos(a / 5),
        A,
    ),
    "hyperbolic": (
        lambda a: torch.sinh(a) + torch.cosh(a) * torch.tanh(a) + torch.atan(a) + torch.sigmoid(a),
        A,
    ),
    "branches": (
        lambda a, b: torch.where(a > 0.2, a * b, b - a) + torch.maximum(a, b) * torch.minimum(a, b * a),
        A,
        B,
    ),
    "clamps": (
        lambda a: torch.clamp(a, -0.5, 1.0) + a.abs() * torch.sign(a) + a.clamp(min=0.25) + torch.relu(a),
        A,
    ),
    "logic": (lambda a, b: torch.where((a > 0) & ~(b > 1) | (a == b), a, b * a), A, B),
    "reductions": (lambda a: a.sum() + a.reshape(2, 3).mean(-1, keepdim=True) + a.reshape(2, 3).prod(0), A),
    "views": (lambda a: a.reshape(2, 3).T.unsqueeze(0).squeeze(0)[1:, :].flip(0).reshape(-1) * 2, A),
    "stacking": (lambda a, b: torch.cat([torch.stack([a, b], -1)[:3].reshape(-1), a[2:4], b[..., 5:]]), A, B),
    "matrices": (lambda m: m @ m.T + (m @ m[:, 0]).unsqueeze(-1) * m + torch.eye(3, dtype=F64), M),
    "batched matrices": (lambda m: torch.stack([m, m.T]) @ torch.stack([m.T, m]), M),
    "cross": (lambda m: torch.linalg.cross(m[0], m[1]) + torch.linalg.cross(m, m[0:1].expand(3, 3))[1], M),
    "diagonals": (lambda m: torch.diag_embed(m.diagonal()) + m, M),
    "padding": (lambda a: torch.nn.functional.pad(a, (1, 2)), A),
    "broadcast": (lambda m, x: m * x + x, M, X),
    "counting": (lambda x: (x >= torch.tensor([0.1, 0.2, 0.4], dtype=F64)).sum() * x, X),
    "nested gradient": (lambda a: torch.func.grad(lambda s: torch.sqrt((s * s).sum() + 1e-3))(a), A),
    "hessian": (
        lambda a: torch.func.jacfwd(torch.func.grad(lambda s: torch.exp(-(s * s).sum()) * s[0]))(a),
        A[:3].clone(),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations(name):
    function, *arguments = FUNCTIONS[name]
    check(function, *arguments)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6))
def test_von_mises_stress_and_its_gradient(components):
    def von_mises(s):
        mean = (s[0] + s[1] + s[2]) / 3
        deviator = s - mean * torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=F64)
        return torch.sqrt(1.5 * (deviator * deviator).sum() + 1e-3)

    check(von_mises, torch.tensor(components, dtype=F64))


def test_the_branch_not_taken_leaks_no_nan():
    def guarded(x):
        return torch.where(x > 0, torch.sqrt(x), torch.zeros_like(x)) + torch.where(x == 0, x, x * x / x)

    graph, node, _ = captured(guarded, X)
    (row,) = jacobian(graph, [int(node)], [0])
    assert _number(graph, row[0], 0.0) == 1.0
    assert _number(graph, row[0], 4.0) == pytest.approx(0.25 + 1.0)


def test_nested_branches_leak_no_nan():
    def nested(x):
        inner = torch.where(x > 1, torch.log(x - 1), x)
        return torch.where(x > 0, torch.sqrt(x) * inner, 3 * x)

    graph, node, _ = captured(nested, X)
    (row,) = jacobian(graph, [int(node)], [0])
    assert _number(graph, row[0], 0.0) == 3.0
    assert _number(graph, row[0], -2.0) == 3.0
    assert _number(graph, row[0], 0.25) == pytest.approx(1.5 * 0.5)


def test_power_at_zero_has_a_derivative():
    graph, node, _ = captured(lambda x: torch.abs(x) ** 2.5, X)
    (row,) = jacobian(graph, [int(node)], [0])
    assert _number(graph, row[0], 0.0) == 0.0


def _number(graph, node, x):
    """Evaluate with IEEE semantics: division by zero and logarithms of zero are no errors."""
    semantics = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative, "sqrt": np.sqrt, "log": np.log,
        "recip": np.reciprocal,
        "div": np.divide, "lt": np.less, "le": np.less_equal, "eq": np.equal, "not": np.logical_not,
        "abs": np.abs, "and": np.logical_and, "where": np.where, "pow": np.power, "sign": np.sign,
    }  # fmt: skip
    with np.errstate(all="ignore"):
        return float(graph.evaluate([node], [np.float64(x)], semantics)[0])


def test_structural_zeros_are_zero_nodes():
    graph, nodes, _ = captured(lambda a, b: torch.stack([a[0] * 2, b[1]]), A, B)
    rows = jacobian(graph, [int(n) for n in nodes], range(12))
    zeros = [[n == graph.zero for n in row] for row in rows]
    assert [row.index(False) for row in zeros] == [0, 7]
    assert sum(map(sum, zeros)) == 22


def test_an_operation_without_meaning_is_named():
    graph = PointGraph()
    with pytest.raises(
        CaptureError, match=r"the law .*test_capture\.py:\d+ .*erfc is not supported: use 1 - torch.erf"
    ):
        capture(graph, lambda x: [torch.erfc(x)], [X], [inputs(graph, 0, ())], "the law")


def test_data_dependent_control_flow_is_refused():
    def branching(x):
        return [x if x > 0 else -x]

    graph = PointGraph()
    with pytest.raises(CaptureError, match="the law cannot be captured"):
        capture(graph, branching, [X], [inputs(graph, 0, ())], "the law")


def test_common_work_is_done_once():
    def twice(a):
        norm = torch.sqrt((a * a).sum())
        return torch.stack([norm, norm * norm, math.pi * norm])

    graph, nodes, _ = captured(twice, A)
    roots = [n for n in graph.reachable(int(x) for x in nodes) if graph.op[n] == "sqrt"]
    assert len(roots) == 1

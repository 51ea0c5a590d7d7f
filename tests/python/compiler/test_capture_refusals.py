# SPDX-License-Identifier: MIT
"""What leaves the graph is refused, with the user's file and line; what stays in it is computed."""

from __future__ import annotations

import copy
import math
import random

import numpy as np
import pytest
import torch
from torch._higher_order_ops.while_loop import while_loop

from neml2.compiler.frontend.capture import CaptureError, capture, inputs
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.models import Input, Model, Output
from neml2.types import Scalar

F64 = torch.float64
KEPT = torch.ones(3, dtype=F64)


def captured(function):
    graph = PointGraph()
    (nodes,) = capture(
        graph, lambda x: [function(x)], [torch.full((3,), 0.5, dtype=F64)], [inputs(graph, 0, (3,))], "law"
    )
    return graph, [int(n) for n in nodes.reshape(-1)]


class Kept:
    """What a function keeps between calls."""

    last = None
    calls = 0


def cached(x):
    if Kept.last is None:
        Kept.last = x * 2
    return Kept.last * x


def counted(x):
    Kept.calls += 1
    return x * Kept.calls


def caught(x):
    try:
        return x * float(x[0])
    except Exception:
        return x


def writes_what_is_kept(x):
    KEPT.add_(x)
    return KEPT * 2


def chosen(x):
    return torch.cond(x.sum() > 0, lambda y: 2 * y, lambda y: y + 1, (x,))


def in_a_gradient(x):
    return torch.func.jacrev(lambda y: torch.cond(y[0] > 0, torch.sin, torch.cos, (y,)))(x)[0]


def of_each(x):
    return torch.vmap(lambda y: torch.cond(y[0] > 0, torch.sin, torch.cos, (y,)))(torch.stack([x, x]))[0]


def repeated(x):
    return while_loop(lambda y: y.sum() < 3, lambda y: (y + 1,), (x,))[0]


def changes_what_is_kept(x):
    y = x * KEPT
    KEPT.add_(1)
    return y


def writes_its_argument(x):
    x[0] = 0.0
    return x * 2


def partly_written(x):
    out = torch.empty(3, dtype=F64)
    out[0] = x[1]
    return out


def read_back(x):
    out = torch.zeros(3, dtype=F64)
    out[0] = x[1]
    return x * out.numpy()[0]


REFUSED = {
    "numpy": (lambda x: torch.as_tensor(np.sin(x.numpy())), r"\.numpy\(\) of what depends on the inputs"),
    "a NumPy function": (lambda x: torch.as_tensor(np.sin(x)), "a NumPy function"),
    "detach().numpy": (lambda x: torch.as_tensor(np.sin(x.detach().numpy())), r"\.numpy\(\)"),
    "item": (lambda x: x * x[0].item(), r"\.item\(\)"), "tolist": (lambda x: x * x.tolist()[0], r"\.tolist\(\)"),
    "float": (lambda x: x * float(x[0]), r"float\(\)"), "int": (lambda x: x * int(x[0]), r"int\(\)"),
    "math": (lambda x: x * math.sin(x[0]), r"float\(\)"), "bool": (lambda x: x if bool(x[0]) else -x, "a branch"),
    "if": (lambda x: x if x[0] > 0 else -x, "use torch.where"), "max": (lambda x: max(x[0], x[1]), "use torch.where"),
    "in": (lambda x: x if x[0] in x else -x, "use torch.where"),
    "equal": (lambda x: x if torch.equal(x, 2 * x) else -x, r"torch\.equal"),
    "allclose": (lambda x: x if torch.allclose(x, 2 * x) else -x, r"torch\.allclose"),
    "data_ptr": (lambda x: x * x.data_ptr(), r"\.data_ptr\(\)"),
    "storage": (lambda x: x * x.untyped_storage()[0], r"\.untyped_storage\(\)"),
    "dlpack": (lambda x: torch.as_tensor(np.from_dlpack(x)), "dlpack"), "deepcopy": (copy.deepcopy, "deepcopy"),
    "tensor": (lambda x: torch.tensor(x) * x, r"torch\.tensor\(\).*x\.clone\(\)"),
    "tensor of a list": (lambda x: torch.tensor([x[0], x[1]]), r"torch\.tensor\(\).*torch\.stack"),
    "as_tensor of a list": (lambda x: torch.as_tensor([x[0], x[1]]), r"torch\.as_tensor\(\).*torch\.stack"),
    "full": (lambda x: torch.full((3,), x[0]), "needed as a number"),
    "a computed range": (lambda x: torch.arange(x[0], 3.0), "needed as a number"),
    "a computed index": (lambda x: x[x.argmax()], "needed as a number"),
    "a computed mask": (lambda x: x[x > 0], "how many entries"),
    "nonzero": (lambda x: x[torch.nonzero(x)[:, 0]], "nonzero"),
    "unique": (lambda x: torch.unique(x), "unique"),
    "rand": (lambda x: x * torch.rand(3, dtype=F64), r"torch\.rand draws random numbers"),
    "randn_like": (lambda x: x * torch.randn_like(x), "random numbers"),
    "dropout": (lambda x: torch.nn.functional.dropout(x), "random numbers"),
    "normal_": (lambda x: x * torch.zeros(3).normal_(), "random numbers"),
    "numpy.random": (lambda x: x * np.random.default_rng().random(), "a second call"),
    "random": (lambda x: x * random.random(), "a second call"),
    "a cache": (cached, "a second call"), "a counter": (counted, "a second call"), "caught": (caught, r"float\(\)"),
    "an identity": (lambda x: x * id(x), "a second call"),
    "writes what is kept": (writes_what_is_kept, "outlives the call"),
    "changes what is kept": (changes_what_is_kept, "outlives the call"),
    "writes its argument": (writes_its_argument, "outlives the call"),
    "cond": (chosen, r"torch\.cond is not supported: use torch\.where"),
    "cond in a gradient": (in_a_gradient, r"torch\.cond is not supported"),
    "cond of each": (of_each, r"torch\.cond is not supported"),
    "while_loop": (repeated, r"torch\.while_loop is not supported: unroll it"),
    "float32": (lambda x: x.float().double(), "64 bits"), "complex": (lambda x: torch.complex(x, x).abs(), "imaginary"),
    "to complex": (lambda x: x.to(torch.complex128).real, "complex"), "sparse": (lambda x: x.to_sparse(), "to_sparse"),
    "erfc": (lambda x: torch.erfc(x), r"erfc is not supported: use 1 - torch\.erf"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_file_and_line(name):
    function, why = REFUSED[name]
    Kept.last = None
    before = KEPT.clone()
    with pytest.raises(
        CaptureError, match=rf"law cannot be captured .*test_capture_refusals\.py:\d+ `.*{why}"
    ) as error:
        captured(function)
    KEPT.copy_(before)
    first = function.__code__.co_firstlineno if function.__module__ == __name__ else 0
    if first:
        line = int(str(error.value).split("test_capture_refusals.py:")[1].split()[0])
        assert first <= line <= first + 4


def test_memory_that_was_never_written_is_not_read():
    with pytest.raises(CaptureError, match=r"torch\.empty are read before"):
        captured(partly_written)
    with pytest.raises(CaptureError, match=r"\.numpy\(\)"):
        captured(read_back)


COMPUTED = {
    "constants leave torch": lambda x: x * float(torch.tensor(2.0) * 3) + x * torch.ones(3).numpy()[0],
    "constants branch": lambda x: x if torch.ones(2).sum() > 1 else -x,
    "constants are copied": lambda x: x * torch.tensor([torch.tensor(1.0), torch.tensor(2.0), 3.0], dtype=F64),
    "NumPy constants": lambda x: torch.as_tensor(np.sin(np.arange(3.0))) * x,
    "itself": lambda x: torch.as_tensor(x) * 2, "shapes": lambda x: sum(x * k for k in range(x.shape[0])),
    "printing": lambda x: (repr(x), f"{x[0]}", x * 2)[-1],
    "written in full": lambda x: torch.cat([torch.empty(1, dtype=F64).copy_(x[:1]), x[1:]]),
    "whole numbers": lambda x: (5 * x).int() * x + (7 * x).long().double() + x.bool() * x,
}  # fmt: skip


@pytest.mark.parametrize("name", COMPUTED)
def test_is_computed(name):
    graph, nodes = captured(COMPUTED[name])
    x = torch.tensor([0.3, 0.6, -0.4], dtype=F64)
    np.testing.assert_allclose(graph.evaluate(nodes, x.tolist()), COMPUTED[name](x), rtol=1e-15)


@pytest.mark.parametrize("stop", [lambda y: y.detach(), lambda y: y.data], ids=["detach", "data"])
def test_detach_keeps_the_value_and_stops_the_derivative(stop):
    def function(x):
        return x * stop(torch.sin(x)) + stop(x) ** 2

    graph, nodes = captured(function)
    x = torch.tensor([0.3, 0.6, -0.4], dtype=F64)
    np.testing.assert_allclose(graph.evaluate(nodes, x.tolist()), function(x), rtol=1e-15)
    rows = [graph.evaluate(row, x.tolist()) for row in jacobian(graph, nodes, range(3))]
    np.testing.assert_allclose(rows, torch.func.jacfwd(function)(x), rtol=1e-15)
    np.testing.assert_allclose(rows, torch.diag(torch.sin(x)), rtol=1e-15)


def test_detach_inside_a_gradient_stops_both_derivatives():
    def function(x):
        return torch.func.grad(lambda y: (y * y.detach() * x).sum())(x)

    graph, nodes = captured(function)
    x = torch.tensor([0.3, 0.6, -0.4], dtype=F64)
    np.testing.assert_allclose(graph.evaluate(nodes, x.tolist()), function(x), rtol=1e-15)
    rows = [graph.evaluate(row, x.tolist()) for row in jacobian(graph, nodes, range(3))]
    np.testing.assert_allclose(rows, torch.func.jacfwd(function)(x), rtol=1e-15)


# ---- wherever users' code meets the compiler -------------------------------------------------------------------------


class Leaves(Model):
    x = Input(Scalar)
    y = Output(Scalar)

    def forward(self, x):
        return Scalar(torch.as_tensor(np.sin(x.data.numpy())))


def test_models_are_refused():
    from neml2.compiler.plan.layout import Request
    from neml2.compiler.plan.segments import capture_model

    line = Leaves.forward.__code__.co_firstlineno + 1
    with pytest.raises(CaptureError, match=rf"Leaves 'law' .*test_capture_refusals\.py:{line} `return Scalar.*numpy"):
        capture_model(Leaves("law"), Request())


def test_functions_of_native_are_refused():
    from neml2.native import Newton, NumericalFunction, jit

    f = NumericalFunction(lambda x: torch.as_tensor(np.sin(x.numpy())), inputs={"x": ()}, outputs=["y"])
    with pytest.raises(CaptureError, match=r"test_capture_refusals\.py:\d+ .*numpy"):
        f(0.3)
    residual = NumericalFunction(lambda u, x: u - x * u.item(), inputs={"u": (), "x": ()}, outputs=["r"])
    with pytest.raises(CaptureError, match=r"test_capture_refusals\.py:\d+ .*item"):
        Newton(residual)(0.1, 0.2)
    with pytest.raises(CaptureError, match=r"test_capture_refusals\.py:\d+ .*numpy"):
        jit(Leaves("law"))(x=np.array([0.1]))

# SPDX-License-Identifier: MIT
"""Products with derivatives of native functions: for NumPy, under PyTorch's transformations, for implicit functions and
models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import neml2
from neml2.hit import load_string
from neml2.native import Newton, NumericalFunction
from support import ROOT

F64 = torch.float64


def pair(x, c):
    return (c * torch.sin(x)).sum(), x[:2] * c


@pytest.fixture(scope="module")
def function() -> NumericalFunction:
    return NumericalFunction(pair, {"x": 3, "c": ()}, ["y", "z"], name="pair")


@pytest.fixture(scope="module")
def cubic() -> Newton:
    residual = NumericalFunction(lambda u, c: u * u * u + u - c, {"u": (), "c": ()}, ["r"], name="cubic")
    return Newton(residual, rel_tol=1e-14)


def test_products_of_numpy_arrays_in_closed_form(function):
    rng = np.random.default_rng(0)
    x, c, a, b = rng.normal(size=(4, 3)), np.float64(2.0), rng.normal(size=4), rng.normal(size=(4, 2))
    outputs, found = function.vjp({"x": x, "c": c}, {"y": a, "z": b})
    np.testing.assert_allclose(outputs["y"], 2 * np.sin(x).sum(-1))
    want = 2 * np.cos(x) * a[:, None]
    want[:, :2] += 2 * b
    np.testing.assert_allclose(found["x"], want)
    assert found["c"].shape == ()
    np.testing.assert_allclose(found["c"], (np.sin(x).sum(-1) * a).sum() + (x[:, :2] * b).sum())
    _, moved = function.jvp({"x": x, "c": c}, {"x": x})
    np.testing.assert_allclose(moved["y"], (2 * np.cos(x) * x).sum(-1))
    np.testing.assert_allclose(moved["z"], 2 * x[:, :2])


def test_of_an_implicit_function(cubic):
    c = np.linspace(-3, 3, 7)
    u = cubic(np.zeros(7), c)
    _, found = cubic.vjp({"u": np.zeros(7), "c": c}, {"u": np.ones(7)})
    np.testing.assert_allclose(found["c"], 1 / (3 * u**2 + 1), rtol=1e-12)
    np.testing.assert_array_equal(found["u"], 0)  # a solution does not depend on its guess
    t = torch.tensor(c, requires_grad=True)
    cubic(torch.zeros(7, dtype=F64), t).sum().backward()
    np.testing.assert_allclose(t.grad, found["c"])


def backward(f, *given):
    return torch.autograd.grad(sum(v.sum() for v in f(*given)), given)


WAYS = {
    "backward": lambda f, x, c: backward(f, x.requires_grad_(), c.requires_grad_()),
    "vmap": lambda f, x, c: torch.func.vmap(f, in_dims=(0, None))(x, c),
    "jvp": lambda f, x, c: torch.func.jvp(f, (x, c), (x, c))[1],
    "jacrev": lambda f, x, c: torch.func.jacrev(f, argnums=(0, 1))(x[0], c),
    "jacfwd": lambda f, x, c: torch.func.jacfwd(f, argnums=(0, 1))(x[0], c),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_transforms(function, way):
    def plain(x, c):
        return (c[..., None] * torch.sin(x)).sum(-1), x[..., :2] * c[..., None]

    x, c = torch.randn(5, 3, dtype=F64), torch.tensor(1.5, dtype=F64)
    found, want = (WAYS[way](f, x.clone(), c.clone()) for f in (function, plain))
    torch.testing.assert_close(found, want)


def test_torch_compile(function):
    x, c = torch.randn(5, 3, dtype=F64, requires_grad=True), torch.tensor(1.5, dtype=F64)
    torch.compile(lambda x: function(x, c)[0].exp().sum(), fullgraph=True)(x).backward()
    found, x.grad = x.grad, None
    (c * torch.sin(x)).sum(-1).exp().sum().backward()
    torch.testing.assert_close(found, x.grad)


def test_a_model(tmp_path):
    text = (ROOT / "benchmarks" / "implicit" / "isoharden.i").read_text()
    model = load_string(text).get_model("model")
    native = neml2.native.jit(model)
    inputs = {n: torch.zeros(2, *s, dtype=F64) for n, s in native.inputs.items()}
    inputs["strain"] += torch.tensor([3e-3, -1e-3, -1e-3, 1e-3, 0, 0], dtype=F64)
    inputs["t"] += 1
    grads = []
    for evaluate in (lambda v: native(**v), lambda v: model(*(model.input_spec[n](x) for n, x in v.items()))):
        strain = inputs["strain"].clone().requires_grad_()
        outputs = evaluate({**inputs, "strain": strain})
        stress = outputs[native.output_names.index("stress")]
        (stress if isinstance(stress, torch.Tensor) else stress.data).sum().backward()
        grads.append(strain.grad)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-8, atol=1e-4)
    assert grads[0].abs().max() > 1e3


def test_what_cannot_be_is_said(function, cubic):
    with pytest.raises(ValueError, match=r"pair: no output 'yy'; did you mean 'y'"):
        function.vjp({"x": np.zeros(3), "c": 1.0}, {"yy": 1.0})
    slope = cubic.jacobian("u", "c")
    with pytest.raises(NotImplementedError, match="second derivatives of implicit functions"):
        slope.vjp({"u": 0.0, "c": 1.0}, {})
    x = torch.zeros(3, dtype=F64, requires_grad=True)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        torch.autograd.grad(function(x, torch.ones((), dtype=F64))[0], x, create_graph=True)[0].sum().backward()

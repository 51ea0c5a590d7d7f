# SPDX-License-Identifier: MIT
"""Typed values under make_fx and torch.func: what a trace contains, and that batching changes no result."""

import operator

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

import neml2.types as nt
from neml2.types import MRP, R2, SR2, SSR4, WR2, Quaternion, Scalar, Vec

F64 = torch.float64
rng = torch.Generator().manual_seed(5)

ALLOWED = {
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "reciprocal",
    "rsub",
    "abs",
    "sign",
    "sqrt",
    "exp",
    "log",
    "log10",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "pow",
    "sum",
    "where",
    "eq",
    "gt",
    "lt",
    "ge",
    "le",
    "maximum",
    "minimum",
    "clamp",
    "cat",
    "stack",
    "slice",
    "select",
    "unsqueeze",
    "view",
    "reshape",
    "_unsafe_view",
    "expand",
    "transpose",
    "mm",
    "bmm",
    "zeros_like",
    "full_like",
    "scalar_tensor",
    "lift_fresh_copy",
}


def rand(*shape):
    return 0.1 + 0.8 * torch.rand(shape, dtype=F64, generator=rng)


def ops(function, *args):
    graph = make_fx(function)(*args).graph
    names = []
    for node in graph.nodes:
        if node.op == "call_function" and node.target is not operator.getitem:
            assert isinstance(node.target, torch._ops.OpOverload)
            names.append(node.target._schema.name.removeprefix("aten::"))
    return names


S, V, A, B, R, W, C, Q = (Scalar, Vec, SR2, SR2, R2, WR2, SSR4, Quaternion)
GRID = Scalar(torch.rand(5, 5, dtype=F64, generator=rng))
TABLE = Scalar(torch.linspace(0.0, 1.0, 5, dtype=F64))

CASES = {
    **{
        name: (getattr(nt, name), (S,))
        for name in [
            "abs",
            "sign",
            "sqrt",
            "exp",
            "log",
            "log10",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "reciprocal",
            "heaviside",
            "macaulay",
        ]
    },
    "pow": (nt.pow, (S, S)),
    "pow_number": (lambda a: a**2.5, (S,)),
    "clamp": (lambda a: nt.clamp(a, 0.2, 0.6), (S,)),
    "clamp_scalar": (nt.clamp, (S, S)),
    "where": (lambda a, b, s: nt.where(s > 0.3, a, b), (A, A, S)),
    "tr": (nt.tr, (A,)),
    "vol": (nt.vol, (A,)),
    "dev": (nt.dev, (A,)),
    "inner": (nt.inner, (A, A)),
    "norm": (nt.norm, (A,)),
    "norm_eps": (lambda a: nt.norm(a, 1e-16), (A,)),
    "unit": (nt.unit, (A,)),
    "von_mises": (nt.von_mises, (A,)),
    "outer": (nt.outer, (A, A)),
    "det_r2": (nt.det, (R,)),
    "inv_r2": (nt.inv, (R,)),
    "det_sr2": (nt.det, (A,)),
    "inv_sr2": (nt.inv, (A,)),
    "sym": (nt.sym, (R,)),
    "skew": (nt.skew, (R,)),
    "r2_from_sr2": (nt.r2_from_sr2, (A,)),
    "r2_from_wr2": (nt.r2_from_wr2, (W,)),
    "cross": (nt.cross, (V, V)),
    "vec_component": (lambda v: nt.vec_component(v, 1), (V,)),
    "vec_from_scalars": (nt.vec_from_scalars, (S, S, S)),
    "fill": (lambda s: SR2.fill(s), (S,)),
    "matmul": (operator.matmul, (R, R)),
    "contract": (operator.matmul, (C, A)),
    "euler_rodrigues": (nt.euler_rodrigues, (MRP,)),
    "compose": (nt.compose, (MRP, MRP)),
    "shadow": (nt.shadow, (MRP,)),
    "exp_map": (nt.exp_map, (W,)),
    "dexp_map": (nt.dexp_map, (W,)),
    "nominal_exp_map": (nt.nominal_exp_map, (W,)),
    **{f"rotate_{k.__name__}": (nt.rotate, (k, R)) for k in (A, W, R, V, C)},
    "to_quaternion": (nt.to_quaternion, (MRP,)),
    "quaternion_rotation_matrix": (nt.quaternion_rotation_matrix, (Q,)),
    "quaternion_dist": (nt.quaternion_dist, (Q, Q)),
    "gdist": (nt.gdist, (MRP, MRP)),
    "dist": (nt.dist, (MRP, MRP)),
    "dV": (nt.dV, (MRP,)),
    "from_matrix": (MRP.from_matrix, (R,)),
    "linear_interpolation": (lambda x: nt.linear_interpolation(x, TABLE, TABLE * 2.0), (S,)),
    "bilinear_interpolation": (
        lambda x, y: nt.bilinear_interpolation(x, y, TABLE, TABLE, GRID),
        (S, S),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_trace_uses_simple_operations(name):
    function, kinds = CASES[name]
    raw = lambda *data: function(*(k(d) for k, d in zip(kinds, data, strict=True))).data  # noqa: E731
    for batch in ((), (4,)):
        used = ops(raw, *(rand(*batch, *k.BASE_SHAPE) for k in kinds))
        assert set(used) <= ALLOWED, set(used) - ALLOWED


@pytest.mark.parametrize("name", CASES)
def test_one_point_batch_and_vmap_agree(name):
    function, kinds = CASES[name]
    data = [rand(4, *k.BASE_SHAPE) for k in kinds]

    def raw(*values):
        return function(*(k(v) for k, v in zip(kinds, values, strict=True))).data

    whole = raw(*data)
    single = torch.stack([raw(*(d[i] for d in data)) for i in range(4)])
    torch.testing.assert_close(whole, single, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(torch.func.vmap(raw)(*data), whole, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", [n for n in CASES if "interpolation" not in n])
def test_constants_follow_device_and_dtype(name):
    function, kinds = CASES[name]
    for device, dtype in (("meta", F64), ("cpu", torch.float32)):
        out = function(*(k(rand(4, *k.BASE_SHAPE), device=device, dtype=dtype) for k in kinds))
        assert out.device.type == device and out.dtype == dtype


@pytest.mark.parametrize("name", CASES)
def test_forward_and_reverse_derivatives_agree(name):
    function, kinds = CASES[name]
    data = [rand(*k.BASE_SHAPE) for k in kinds]

    def raw(*values):
        return function(*(k(v) for k, v in zip(kinds, values, strict=True))).data

    argnums = tuple(range(len(kinds)))
    forward = torch.func.jacfwd(raw, argnums)(*data)
    reverse = torch.func.jacrev(raw, argnums)(*data)
    for f, r in zip(forward, reverse, strict=True):
        torch.testing.assert_close(f, r, rtol=1e-11, atol=1e-11)


def test_arithmetic_traces_to_itself():
    a, b, s = SR2(rand(6)), SR2(rand(5, 6)), Scalar(rand())
    assert ops(lambda x, y: (SR2(x) + SR2(y)).data, a.data, b.data) == ["add"]
    assert ops(lambda x, y: x - y, a, b) == ["sub"]
    assert ops(lambda x, y: x * y, a, s) == ["mul"]
    assert ops(lambda x: 1.0 - x, a) == ["rsub"]
    assert ops(lambda x: 2.0 * x / 3.0, a) == ["mul", "div"]
    assert ops(nt.dev, a) == ["slice", "sum", "div", "sub", "slice", "cat"]


def test_typed_values_pass_through_transforms():
    a = SR2(rand(6))
    value, tangent = torch.func.jvp(nt.dev, (a,), (a,))
    assert type(value) is SR2 and type(tangent) is SR2
    torch.testing.assert_close(tangent.data, value.data)
    batch = SR2(rand(3, 6))
    mapped = torch.func.vmap(nt.norm)(batch)
    assert type(mapped) is Scalar
    torch.testing.assert_close(mapped.data, nt.norm(batch).data)
    grad = torch.func.grad(lambda x: nt.norm(x).data)(a)
    assert type(grad) is SR2
    torch.testing.assert_close(grad.data, nt.unit(a).data)
    sites = SR2(rand(4, 3, 6), 1)
    assert torch.func.vmap(lambda x: x * 2.0)(sites).sub_batch_ndim == 1


def test_float32_is_kept():
    a, r = SR2(rand(4, 6).float()), MRP(rand(4, 3).float())
    for value in (
        nt.dev(a),
        nt.norm(a),
        nt.rotate(a, r),
        nt.exp_map(WR2(r.data)),
        MRP.from_matrix(nt.euler_rodrigues(r)),
    ):
        assert value.dtype == torch.float32
    assert nt.pow(nt.norm(a), Scalar(2.0, dtype=torch.float32)).dtype == torch.float32
    assert nt.von_mises(a).dtype == torch.float32


def test_export_with_dynamic_batch():
    class Module(torch.nn.Module):
        def forward(self, x, w):
            r = nt.euler_rodrigues(nt.exp_map(WR2(w)))
            return nt.rotate(nt.dev(SR2(x)), r).data

    x, w = rand(5, 6), rand(5, 3)
    batch = torch.export.Dim("B", min=1)
    program = torch.export.export(Module(), (x, w), dynamic_shapes=({0: batch}, {0: batch}))
    y, v = rand(9, 6), rand(9, 3)
    torch.testing.assert_close(program.module()(y, v), Module()(y, v))

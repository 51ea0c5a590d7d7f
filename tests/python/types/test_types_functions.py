# SPDX-License-Identifier: MIT
"""Elementwise functions and tensor algebra: closed forms, invariance and derivatives."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import neml2.types as nt
from neml2.types import MRP, R2, SR2, SSR4, WR2, Scalar, Vec

F64 = torch.float64
rng = torch.Generator().manual_seed(2)
component = st.floats(-5.0, 5.0, allow_subnormal=False)  # of those, LAPACK makes NaN
fast = settings(max_examples=40, deadline=None)


def rand(*shape):
    return torch.rand(shape, dtype=F64, generator=rng)


def randn(*shape):
    return torch.randn(shape, dtype=F64, generator=rng)


def sr2(values):
    return SR2.fill(*values, dtype=F64)


def gradcheck(function, *inputs):
    inputs = tuple(x.clone().requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(function, inputs, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(function, inputs)


UNARY = [
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
]


class TestElementwise:
    @pytest.mark.parametrize("name", UNARY)
    def test_matches_torch(self, name):
        for value in (Scalar(rand(4)), SR2(rand(4, 6), 1), Scalar(0.3)):
            out = getattr(nt, name)(value)
            assert type(out) is type(value) and out.sub_batch_ndim == value.sub_batch_ndim
            assert torch.equal(out.data, getattr(torch, name)(value.data))
        gradcheck(lambda x: getattr(nt, name)(Scalar(x)).data, 0.2 + 0.6 * rand(4))
        with pytest.raises(TypeError, match=name):
            getattr(nt, name)(2.0)

    def test_heaviside_and_macaulay(self):
        x = torch.tensor([-2.0, 0.0, 3.0], dtype=F64)
        assert nt.heaviside(Scalar(x)).data.tolist() == [0.0, 0.5, 1.0]
        assert nt.macaulay(Scalar(x)).data.tolist() == [0.0, 0.0, 3.0]
        slope = torch.func.vmap(torch.func.grad(lambda v: nt.macaulay(Scalar(v)).data))(x)
        assert slope.tolist() == [0.0, 0.5, 1.0]

    def test_clamp(self):
        x = Scalar(torch.tensor([-2.0, 0.5, 3.0], dtype=F64))
        assert nt.clamp(x, 0.0, 1.0).data.tolist() == [0.0, 0.5, 1.0]
        assert nt.clamp(x, Scalar(0.0), Scalar(1.0)).data.tolist() == [0.0, 0.5, 1.0]
        assert nt.clamp(x, hi=1.0).data.tolist() == [-2.0, 0.5, 1.0]
        assert nt.clamp(x, 0.0, Scalar(1.0)).data.tolist() == [0.0, 0.5, 1.0]
        slope = torch.func.vmap(torch.func.grad(lambda v: nt.clamp(Scalar(v), 0.0, 1.0).data))(x.data)
        assert slope.tolist() == [0.0, 1.0, 0.0]

    def test_comparison_and_where(self):
        a, b = Scalar(randn(5)), Scalar(randn(5))
        assert torch.equal(nt.gt(a, b).data, a.data > b.data)
        assert torch.equal(nt.lt(a, 0.0).data, a.data < 0.0)
        assert torch.equal(nt.gt(0.0, a).data, a.data < 0.0)
        assert not nt.gt(Scalar(1.0), 1.0).data and not nt.lt(Scalar(1.0), 1.0).data
        with pytest.raises(TypeError, match="cannot compare a SR2 with a Vec"):
            nt.gt(SR2(randn(6)), Vec(randn(3)))
        s, t = SR2(randn(5, 6)), SR2(randn(5, 3, 6), 1)
        out = nt.where(a > b, s, t)
        assert out.sub_batch_ndim == 1
        expected = torch.where((a.data > b.data)[:, None, None], s.data[:, None], t.data)
        assert torch.equal(out.data, expected)
        per_component = nt.where(nt.gt(s, 0.0), s, 0.0)
        assert torch.equal(per_component.data, s.data.clamp(min=0.0))
        assert torch.equal(nt.where(a > 0.0, a, 0.0).data, a.data.clamp(min=0.0))
        assert torch.equal(nt.where(s.data > 0, s, -s).data, s.data.abs())
        assert nt.where(a > 0.0, s, Scalar(1.0)).shape == (5, 6)
        assert torch.equal(nt.where(a > 0.0, 1.0, 0.0).data, (a.data > 0.0).to(torch.get_default_dtype()))
        assert torch.equal(nt.where(t.data > 0, t, -t).data, t.data.abs())
        with pytest.raises(TypeError, match="cannot combine a SR2 with a Vec"):
            nt.where(a > 0.0, s, Vec(randn(5, 3)))
        with pytest.raises(TypeError, match="at least one typed"):
            nt.where(s.data > 0, s.data, 0.0)


class TestPow:
    def test_values(self):
        x, y = 0.5 + rand(5), randn(5)
        torch.testing.assert_close(nt.pow(Scalar(x), Scalar(y)).data, x**y)
        assert torch.equal(nt.pow(Scalar(x), 2.5).data, x**2.5)
        assert torch.equal(nt.opaque_pow(Scalar(x), 2.5).data, x**2.5)
        torch.testing.assert_close(nt.pow(2.0, Scalar(y)).data, 2.0**y)
        v = nt.pow(Vec(rand(5, 3)), Scalar(y))
        assert v.shape == (5, 3)
        gradcheck(lambda a, b: nt.pow(Scalar(a), Scalar(b)).data, x, y)

    @pytest.mark.parametrize("exponent", [-1.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    def test_value_at_zero_is_that_of_torch(self, exponent):
        zero, b = torch.zeros((), dtype=F64), torch.tensor(exponent, dtype=F64)
        assert torch.equal(nt.pow(Scalar(zero), Scalar(b)).data, torch.pow(zero, b))

    @pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0, 3.0])
    def test_derivatives_at_zero(self, exponent):
        zero, b = torch.zeros((), dtype=F64), torch.tensor(exponent, dtype=F64)

        def power(a, n):
            return nt.pow(Scalar(a), Scalar(n)).data

        for transform in (torch.func.jacrev, torch.func.jacfwd):
            da, db = transform(power, argnums=(0, 1))(zero, b)
            assert da == (1.0 if exponent == 1.0 else 0.0) and db == 0.0
            second = transform(transform(power, argnums=(0, 1)), argnums=(0, 1))(zero, b)
            assert all(torch.isfinite(v) for row in second for v in row)
        assert torch.func.grad(lambda a: nt.pow(Scalar(a), exponent).data)(zero) == (exponent == 1.0)


class TestMandel:
    @fast
    @given(st.lists(component, min_size=6, max_size=6), st.lists(component, min_size=6, max_size=6))
    def test_storage_inner_product_is_double_contraction(self, p, q):
        a, b = sr2(p), sr2(q)
        x, y = nt.r2_from_sr2(a).data, nt.r2_from_sr2(b).data
        torch.testing.assert_close(nt.inner(a, b).data, (x * y).sum(), rtol=1e-12, atol=1e-11)
        torch.testing.assert_close(nt.norm(a).data, torch.linalg.norm(x), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(nt.tr(a).data, x.trace(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(nt.det(a).data, torch.linalg.det(x), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(nt.tr(R2(x)).data, x.trace())

    def test_storage_order(self):
        a = SR2(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], dtype=F64))
        m = nt.r2_from_sr2(a).data * math.sqrt(2)
        assert m[1, 2] == pytest.approx(4) and m[0, 2] == pytest.approx(5) and m[0, 1] == pytest.approx(6)

    def test_round_trips(self):
        a, w = SR2(randn(4, 2, 6), 1), WR2(randn(4, 3))
        torch.testing.assert_close(nt.sym(nt.r2_from_sr2(a)).data, a.data)
        assert nt.sym(nt.r2_from_sr2(a)).sub_batch_ndim == 1
        torch.testing.assert_close(nt.skew(nt.r2_from_wr2(w)).data, w.data)
        m = R2(randn(4, 3, 3))
        both = nt.r2_from_sr2(nt.sym(m)) + nt.r2_from_wr2(nt.skew(m))
        torch.testing.assert_close(both.data, m.data)

    def test_axial_vector_acts_as_cross_product(self):
        w, v = randn(4, 3), randn(4, 3)
        torch.testing.assert_close((nt.r2_from_wr2(WR2(w)) @ Vec(v)).data, torch.linalg.cross(w, v))

    def test_stiffness_is_fourth_order_contraction(self):
        lam, mu = 2.0, 3.0
        c = SSR4.identity(dtype=F64) * lam + SSR4.identity_sym(dtype=F64) * (2.0 * mu)
        e = SR2(randn(6))
        m = nt.r2_from_sr2(e).data
        expected = lam * m.trace() * torch.eye(3, dtype=F64) + 2 * mu * m
        torch.testing.assert_close(nt.r2_from_sr2(c @ e).data, expected)


class TestAlgebra:
    def test_dev_and_vol(self):
        a = SR2(randn(4, 6))
        torch.testing.assert_close((nt.dev(a) + nt.vol(a)).data, a.data)
        torch.testing.assert_close(nt.tr(nt.dev(a)).data, torch.zeros(4, dtype=F64), rtol=0, atol=1e-15)
        torch.testing.assert_close(nt.tr(nt.vol(a)).data, nt.tr(a).data)
        torch.testing.assert_close(nt.inner(nt.dev(a), nt.vol(a)).data, torch.zeros(4, dtype=F64), atol=1e-14, rtol=0)

    def test_norm_and_unit(self):
        a = SR2(randn(4, 6))
        eps = 1e-3
        torch.testing.assert_close(nt.norm(a, eps).data, torch.sqrt((a.data**2).sum(-1) + eps))
        torch.testing.assert_close(nt.norm(nt.unit(a)).data, torch.ones(4, dtype=F64))
        torch.testing.assert_close(nt.unit(a, eps).data, a.data / nt.norm(a, eps).data[:, None])
        assert nt.norm(Vec.fill(3, 4, 0)).data == 5.0

    def test_von_mises_of_uniaxial_stress(self):
        assert nt.von_mises(sr2([-7.0, 0, 0, 0, 0, 0])).data == pytest.approx(7.0)
        assert nt.von_mises(sr2([0.0, 0, 0, 0, 0, 2.0])).data == pytest.approx(2.0 * math.sqrt(3.0))

    def test_outer(self):
        a, b, c = SR2(randn(4, 6)), SR2(randn(6)), SR2(randn(6))
        torch.testing.assert_close((nt.outer(a, b) @ c).data, (a * nt.inner(b, c)).data)
        u, v = Vec(randn(3)), Vec(randn(3))
        assert torch.equal(nt.outer(u, v).data, torch.outer(u.data, v.data))
        with pytest.raises(TypeError):
            nt.outer(Scalar(1.0), Scalar(2.0))

    def test_cross_and_dot(self):
        a, b = Vec(randn(4, 3)), Vec(randn(3))
        torch.testing.assert_close(nt.cross(a, b).data, torch.linalg.cross(a.data, b.data.expand(4, 3)))
        torch.testing.assert_close(nt.vdot(a, b).data, (a.data * b.data).sum(-1))

    def test_det_and_inv(self):
        m = R2(randn(5, 3, 3))
        torch.testing.assert_close(nt.det(m).data, torch.linalg.det(m.data))
        torch.testing.assert_close(nt.inv(m).data, torch.linalg.inv(m.data))
        s = SR2(randn(5, 6)) + 3.0 * SR2.identity(dtype=F64)
        full = nt.r2_from_sr2(s).data
        torch.testing.assert_close(nt.det(s).data, torch.linalg.det(full))
        torch.testing.assert_close(nt.r2_from_sr2(nt.inv(s)).data, torch.linalg.inv(full))

    @fast
    @given(st.lists(component, min_size=6, max_size=6), st.lists(component, min_size=3, max_size=3))
    def test_invariants_do_not_rotate(self, values, rotation):
        a, r = sr2(values), MRP.fill(*rotation)
        b = nt.rotate(a, r)
        for invariant in (nt.tr, nt.norm, nt.det, nt.von_mises):
            torch.testing.assert_close(invariant(b).data, invariant(a).data, rtol=1e-9, atol=1e-9)

    def test_wrong_types(self):
        for bad in (
            lambda: nt.tr(Vec(randn(3))),
            lambda: nt.dev(R2(randn(3, 3))),
            lambda: nt.sym(SR2(randn(6))),
            lambda: nt.inner(SR2(randn(6)), Vec(randn(3))),
            lambda: nt.inv(Vec(randn(3))),
        ):
            with pytest.raises(TypeError):
                bad()

    def test_gradients(self):
        a, m, v = randn(6), randn(3, 3), randn(3)
        for f in (nt.tr, nt.dev, nt.vol, nt.norm, nt.unit, nt.det, nt.inv, nt.von_mises, nt.r2_from_sr2):
            gradcheck(lambda x, f=f: f(SR2(x)).data, a)
        for f in (nt.det, nt.inv, nt.sym, nt.skew, nt.norm):
            gradcheck(lambda x, f=f: f(R2(x)).data, m)
        gradcheck(lambda x, y: nt.cross(Vec(x), Vec(y)).data, v, v.flip(0))
        gradcheck(lambda x, y: nt.inner(SR2(x), SR2(y)).data, a, a.flip(0))
        gradcheck(lambda x, y: nt.outer(SR2(x), SR2(y)).data, a, a.flip(0))

    def test_no_nan_at_zero(self):
        zero = torch.zeros(6, dtype=F64)
        eps = torch.finfo(F64).eps
        for f in (
            lambda x: nt.norm(SR2(x)).data,
            lambda x: nt.von_mises(SR2(x)).data,
            lambda x: nt.norm(SR2(x), eps).data,
            lambda x: nt.unit(SR2(x), eps).data,
            lambda x: nt.von_mises(SR2(x), eps).data,
        ):
            for transform in (torch.func.jacrev, torch.func.jacfwd):
                assert torch.isfinite(transform(f)(zero)).all()
                assert torch.isfinite(transform(transform(f))(zero)).all()

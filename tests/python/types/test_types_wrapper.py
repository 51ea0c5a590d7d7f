# SPDX-License-Identifier: MIT
"""Construction, metadata, arithmetic and broadcasting of typed values."""

import math
import pickle

import pytest
import torch

import neml2.types as nt
from neml2.types import MRP, R2, SR2, SSR4, WR2, MillerIndex, Quaternion, Scalar, Tensor, Vec

F64 = torch.float64
TYPES = (Scalar, Vec, R2, SR2, WR2, SSR4, MRP, Quaternion, MillerIndex)
rng = torch.Generator().manual_seed(0)


def rand(*shape):
    return torch.rand(shape, dtype=F64, generator=rng) + 0.5


def test_all_names_exist():
    for name in nt.__all__:
        assert hasattr(nt, name)
    assert len(set(nt.__all__)) == len(nt.__all__)


class TestConstruction:
    @pytest.mark.parametrize("kind", TYPES)
    def test_batch_constructors(self, kind):
        base = kind.BASE_SHAPE
        assert kind.zeros(2, 4).shape == (2, 4, *base)
        assert kind.ones().shape == base
        assert kind.empty(3).batch_shape == (3,)
        assert torch.equal(kind.full(2, fill_value=3.0).data, kind.ones(2).data * 3.0)
        expected = F64 if kind is Scalar else torch.get_default_dtype()
        assert kind.zeros(1).dtype == expected
        assert kind.zeros(1, dtype=torch.float32).dtype == torch.float32
        assert kind.zeros(2, 3, sub_batch_ndim=1).sub_batch_shape == (3,)

    @pytest.mark.parametrize("kind", [k for k in TYPES if k not in (SR2, Scalar)])
    def test_fill_is_row_major_float64(self, kind):
        n = math.prod(kind.BASE_SHAPE)
        value = kind.fill(*range(n))
        assert value.dtype == F64
        assert torch.equal(value.data.reshape(-1), torch.arange(n, dtype=F64))
        with pytest.raises(ValueError, match=f"takes {n} components"):
            kind.fill(*range(n + 1))

    def test_sr2_fill(self):
        assert SR2.fill(2.0).data.tolist() == [2, 2, 2, 0, 0, 0]
        assert SR2.fill(1, 2, 3).data.tolist() == [1, 2, 3, 0, 0, 0]
        full = SR2.fill(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, dtype=F64)
        matrix = torch.tensor([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]], dtype=F64)
        torch.testing.assert_close(nt.r2_from_sr2(full).data, matrix)
        assert SR2.fill(1.0).dtype == torch.get_default_dtype()
        with pytest.raises(ValueError, match="1, 3 or 6"):
            SR2.fill(1.0, 2.0)

    def test_fill_of_scalars(self):
        s = Scalar(rand(4, 2), 1)
        value = SR2.fill(s)
        assert value.shape == (4, 2, 6) and value.sub_batch_ndim == 1
        torch.testing.assert_close(value.data, s.data.unsqueeze(-1) * SR2.identity(dtype=F64).data)
        mixed = SR2.fill(s, 1.0, Scalar(rand(4)), 0.5, 0.0, 0.0)
        assert mixed.shape == (4, 2, 6)
        torch.testing.assert_close(mixed.data[..., 3], torch.full((4, 2), 0.5 * math.sqrt(2), dtype=F64))
        assert R2.fill(*[s] * 9).shape == (4, 2, 3, 3)

    def test_numbers_and_lists_are_float64(self):
        assert Scalar(1).dtype == F64 and Scalar(1).shape == ()
        assert Scalar([1, 2]).shape == (2,)
        assert Vec([[1, 2, 3]]).dtype == F64
        assert Scalar(1.0, dtype=torch.float32).dtype == torch.float32
        assert Scalar(torch.ones(2), dtype=F64, device="cpu").dtype == F64

    def test_wrapping(self):
        x = SR2(rand(5, 3, 6), sub_batch_ndim=1)
        assert SR2(x).sub_batch_ndim == 1
        assert SR2(x, sub_batch_ndim=1).data is x.data
        with pytest.raises(ValueError, match="contradicts"):
            SR2(x, sub_batch_ndim=2)
        with pytest.raises(TypeError, match="cannot wrap a SR2 as WR2"):
            WR2(x)
        with pytest.raises(ValueError, match="trailing axes"):
            SR2(rand(5, 3))
        with pytest.raises(ValueError, match="batch axes"):
            Scalar(rand(5), sub_batch_ndim=2)

    def test_identities(self):
        a = SR2(rand(6))
        assert torch.equal(R2.identity().data, torch.eye(3))
        assert SR2.identity().data.tolist() == [1, 1, 1, 0, 0, 0]
        assert Quaternion.identity().data.tolist() == [1, 0, 0, 0]
        assert not WR2.identity().data.any() and not MRP.identity().data.any()
        kw = {"dtype": F64}
        torch.testing.assert_close((SSR4.identity(**kw) @ a).data, (nt.tr(a) * SR2.identity(**kw)).data)
        torch.testing.assert_close((SSR4.identity_sym(**kw) @ a).data, a.data)
        torch.testing.assert_close((SSR4.identity_vol(**kw) @ a).data, nt.vol(a).data)
        torch.testing.assert_close((SSR4.identity_dev(**kw) @ a).data, nt.dev(a).data)
        parts = SSR4.identity_C1(**kw) + SSR4.identity_C2(**kw)
        assert torch.equal(parts.data, SSR4.identity(**kw).data)
        assert torch.equal((SSR4.identity_C1() + SSR4.identity_C3()).data, SSR4.identity_sym().data)

    def test_arange(self):
        assert Scalar.arange(0, 1, 0.25).data.tolist() == [0, 0.25, 0.5, 0.75]
        assert Scalar.arange(3).dtype == F64

    def test_tensor(self):
        x = Tensor(rand(2, 3, 4), 1, 1)
        assert (x.base_shape, x.sub_batch_shape, x.dynamic_batch_shape) == ((4,), (3,), (2,))
        assert (x + x).base_ndim == 1
        assert (x * Scalar(rand(2))).shape == (2, 3, 4)
        with pytest.raises(ValueError, match="too small"):
            Tensor(rand(2), 2)

    def test_pickle(self):
        for x in (SR2(rand(3, 6), 1), Tensor(rand(3, 6), 1)):
            y = pickle.loads(pickle.dumps(x))
            assert torch.equal(x.data, y.data) and y.sub_batch_ndim == x.sub_batch_ndim
            assert y.base_ndim == x.base_ndim


class TestMetadata:
    def test_shapes(self):
        x = R2(rand(7, 5, 2, 3, 3), sub_batch_ndim=2)
        assert x.batch_shape == (7, 5, 2)
        assert x.dynamic_batch_shape == (7,)
        assert x.sub_batch_shape == (5, 2)
        assert x.base_shape == (3, 3)
        assert x.with_sub_batch_ndim(1).dynamic_batch_shape == (7, 5)
        assert x.to(torch.float32).dtype == torch.float32 and x.to(torch.float32).sub_batch_ndim == 2
        with pytest.raises(ValueError, match="3 batch axes"):
            x.with_sub_batch_ndim(4)

    def test_no_truth_value(self):
        with pytest.raises(TypeError, match="where"):
            bool(Scalar(1.0) > 0.0)

    def test_repr(self):
        assert repr(Scalar(1.0)).startswith("Scalar(tensor(1.")
        assert "sub_batch_ndim=1" in repr(Scalar.zeros(2, sub_batch_ndim=1))


class TestArithmetic:
    @pytest.mark.parametrize("kind", TYPES)
    @pytest.mark.parametrize("op", ["__add__", "__sub__", "__mul__", "__truediv__"])
    def test_elementwise(self, kind, op):
        a, b = kind(rand(4, *kind.BASE_SHAPE)), kind(rand(*kind.BASE_SHAPE))
        out = getattr(a, op)(b)
        assert type(out) is kind
        assert torch.equal(out.data, getattr(a.data, op)(b.data))

    @pytest.mark.parametrize("kind", TYPES)
    def test_with_scalar_and_number(self, kind):
        a, s = kind(rand(4, *kind.BASE_SHAPE)), Scalar(rand(4))
        padded = s.data.reshape(4, *(1,) * len(kind.BASE_SHAPE))
        for out, expected in (
            (a * s, a.data * padded),
            (s * a, a.data * padded),
            (a / s, a.data / padded),
            (a + s, a.data + padded),
            (s + a, a.data + padded),
            (s - a, padded - a.data),
            (a - s, a.data - padded),
            (a * 2, a.data * 2),
            (2.0 * a, a.data * 2),
            (a / 2, a.data / 2),
            (a + 1, a.data + 1),
            (1.0 - a, 1 - a.data),
            (-a, -a.data),
            (+a, a.data),
            (a * Scalar(2.0), a.data * 2),
            (a * torch.tensor(2.0), a.data * 2),
        ):
            assert type(out) is kind
            torch.testing.assert_close(out.data, expected, rtol=0, atol=0)

    def test_scalar_only(self):
        s = Scalar(rand(3))
        torch.testing.assert_close((2.0 / s).data, 2.0 / s.data)
        torch.testing.assert_close((s**2).data, s.data**2)
        torch.testing.assert_close((s**s).data, s.data**s.data)
        torch.testing.assert_close((2.0**s).data, 2.0**s.data)
        assert torch.equal((s > 1.0).data, s.data > 1.0) and torch.equal((s < s * 2).data, s.data < s.data * 2)

    def test_rejected(self):
        a, s = SR2(rand(6)), Scalar(2.0)
        for bad in (lambda: a + Vec(rand(3)), lambda: s / a, lambda: 1.0 / a, lambda: a @ a, lambda: a + "x"):
            with pytest.raises(TypeError):
                bad()
        with pytest.raises(TypeError, match="wrap it first"):
            a * rand(4)
        with pytest.raises(TypeError, match="wrap it first"):
            rand(4) * a

    def test_matmul(self):
        a, b = R2(rand(4, 3, 3)), R2(rand(3, 3))
        torch.testing.assert_close((a @ b).data, a.data @ b.data)
        v = Vec(rand(4, 3))
        torch.testing.assert_close((b @ v).data, torch.einsum("ij,bj->bi", b.data, v.data))
        c, e = SSR4(rand(4, 1, 6, 6)), SR2(rand(5, 6))
        torch.testing.assert_close((c @ e).data, torch.einsum("bgij,gj->bgi", c.data, e.data))
        assert type(c @ e) is SR2
        assert type(c @ c) is SSR4
        torch.testing.assert_close((c @ c).data, c.data @ c.data)
        assert (SSR4(rand(4, 6, 6)) @ SR2(rand(4, 5, 6), 1)).shape == (4, 5, 6)
        assert (SSR4(rand(6, 6)) @ SR2(rand(6))).shape == (6,)


class TestSubBatchBroadcasting:
    # (shape, sub) of both operands, (shape, sub) of the result; batch parts only
    CASES = (
        (((7,), 0), ((7, 4), 1), ((7, 4), 1)),
        (((7, 4), 1), ((7,), 0), ((7, 4), 1)),
        (((), 0), ((7, 4), 1), ((7, 4), 1)),
        (((4,), 1), ((7, 4), 1), ((7, 4), 1)),
        (((7, 4), 1), ((7, 4, 5), 2), None),
        (((7, 5), 1), ((7, 4, 5), 2), ((7, 4, 5), 2)),
        (((7,), 0), ((7, 4, 5), 2), ((7, 4, 5), 2)),
        (((5,), 1), ((4, 5), 2), ((4, 5), 2)),
        (((3, 7), 0), ((7,), 0), ((3, 7), 0)),
        (((3, 7), 0), ((7, 4), 1), ((3, 7, 4), 1)),
        (((), 0), ((4,), 1), ((4,), 1)),
        (((7, 1), 1), ((7, 4), 1), ((7, 4), 1)),
        (((3, 1), 0), ((7,), 0), ((3, 7), 0)),
    )

    @pytest.mark.parametrize("first,second,expected", CASES)
    @pytest.mark.parametrize("kinds", [(SR2, SR2), (Scalar, SR2), (SR2, Scalar), (R2, R2), (Scalar, Scalar)])
    def test_table(self, kinds, first, second, expected):
        a = kinds[0](rand(*first[0], *kinds[0].BASE_SHAPE), first[1])
        b = kinds[1](rand(*second[0], *kinds[1].BASE_SHAPE), second[1])
        if expected is None:
            with pytest.raises(RuntimeError):
                a * b
            return
        for out in (a * b, b * a):
            assert out.batch_shape == expected[0]
            assert out.sub_batch_ndim == expected[1]
        x, y = nt.align_sub_batch(a, b)
        assert x.sub_batch_ndim == y.sub_batch_ndim == expected[1]
        torch.testing.assert_close((x * y).data, (a * b).data, rtol=0, atol=0)

    def test_value_of_global_with_sites(self):
        a, b = SR2(rand(7, 6)), SR2(rand(7, 4, 6), 1)
        torch.testing.assert_close((a + b).data, a.data[:, None] + b.data, rtol=0, atol=0)

    def test_align_inserts_in_front_of_sites(self):
        a, b, c = nt.align_sub_batch(SR2(rand(7, 4, 6), 1), SR2(rand(7, 5, 4, 6), 2), Scalar(1.0))
        assert a.shape == (7, 1, 4, 6) and b.shape == (7, 5, 4, 6)
        assert c.shape == () and c.sub_batch_ndim == 2
        assert c.sub_batch_shape == () and c.dynamic_batch_shape == ()

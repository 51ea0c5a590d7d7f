# SPDX-License-Identifier: MIT
"""Tables against numpy inside, straight continuation outside, and derivatives."""

import numpy as np
import pytest
import torch

import neml2.types as nt
from neml2.types import SR2, Scalar, Vec

F64 = torch.float64
rng = torch.Generator().manual_seed(4)


def rand(*shape):
    return torch.rand(shape, dtype=F64, generator=rng)


X = torch.tensor([0.0, 0.3, 1.0, 1.2, 2.5], dtype=F64)
Y = torch.tensor([1.0, -2.0, 4.0, 4.5, 0.0], dtype=F64)


class TestLinear:
    def test_inside(self):
        x = torch.cat([2.5 * rand(50), X])
        out = nt.linear_interpolation(Scalar(x), Scalar(X), Scalar(Y))
        torch.testing.assert_close(out.data, torch.from_numpy(np.interp(x.numpy(), X.numpy(), Y.numpy())))

    def test_outside(self):
        out = nt.linear_interpolation(Scalar([-1.0, 4.5]), Scalar(X), Scalar(Y)).data
        expected = [1.0 + (-3.0 / 0.3) * -1.0, 4.5 + (-4.5 / 1.3) * (4.5 - 1.2)]
        torch.testing.assert_close(out, torch.tensor(expected, dtype=F64))

    def test_matches_searchsorted_bitwise(self):
        x = torch.cat([4.0 * rand(200) - 1.0, X])
        i = torch.searchsorted(X, x, right=True).clamp(1, 4)
        expected = Y[i - 1] + (Y[i] - Y[i - 1]) / (X[i] - X[i - 1]) * (x - X[i - 1])
        assert torch.equal(nt.linear_interpolation(Scalar(x), Scalar(X), Scalar(Y)).data, expected)

    def test_slope_is_that_of_the_right_segment(self):
        def slope(v):
            return nt.linear_interpolation(Scalar(v), Scalar(X), Scalar(Y)).data

        x = torch.tensor([-1.0, 0.0, 0.3, 0.5, 2.5, 9.0], dtype=F64)
        i = torch.searchsorted(X, x, right=True).clamp(1, 4)
        expected = (Y[i] - Y[i - 1]) / (X[i] - X[i - 1])
        torch.testing.assert_close(torch.func.vmap(torch.func.grad(slope))(x), expected)
        torch.testing.assert_close(torch.func.vmap(torch.func.jacfwd(slope))(x), expected)

    def test_one_point_and_two_point_table(self):
        assert nt.linear_interpolation(Scalar(0.65), Scalar(X), Scalar(Y)).shape == ()
        out = nt.linear_interpolation(Scalar([-1.0, 3.0]), Scalar([0.0, 2.0]), Scalar([1.0, 5.0]))
        assert out.data.tolist() == [-1.0, 7.0]
        with pytest.raises(ValueError, match="at least two"):
            nt.linear_interpolation(Scalar(0.0), Scalar([1.0]), Scalar([1.0]))
        with pytest.raises(ValueError, match="X has 5 points, Y has 3"):
            nt.linear_interpolation(Scalar(0.0), Scalar(X), Scalar([1.0, 2.0, 3.0]))

    @pytest.mark.parametrize("tag", [0, 1])
    def test_batches(self, tag):
        x = Scalar(rand(7))
        a, o = Scalar(X, tag), Scalar(Y, tag)
        out = nt.linear_interpolation(x, a, o)
        assert out.shape == (7,) and out.sub_batch_ndim == 0
        tables = Scalar(Y * (1.0 + rand(7, 1)), tag)
        many = nt.linear_interpolation(x, a, tables)
        for k in range(7):
            one = nt.linear_interpolation(Scalar(x.data[k]), a, Scalar(tables.data[k]))
            torch.testing.assert_close(many.data[k], one.data)
        sites = nt.linear_interpolation(Scalar(rand(7, 3), 1), a, tables)
        assert sites.shape == (7, 3) and sites.sub_batch_ndim == 1

    def test_ordinates_of_another_type(self):
        ordinates = SR2(rand(5, 6), 1)
        out = nt.linear_interpolation(Scalar(rand(4)), Scalar(X), ordinates)
        assert type(out) is SR2 and out.shape == (4, 6)

    def test_transforms_and_gradients(self):
        x = rand(6) * 2.0
        direct = nt.linear_interpolation(Scalar(x), Scalar(X), Scalar(Y)).data
        mapped = torch.func.vmap(lambda v: nt.linear_interpolation(Scalar(v), Scalar(X), Scalar(Y)).data)(x)
        assert torch.equal(direct, mapped)
        inputs = (x.clone().requires_grad_(), X.clone().requires_grad_(), Y.clone().requires_grad_())
        f = lambda a, b, c: nt.linear_interpolation(Scalar(a), Scalar(b), Scalar(c)).data  # noqa: E731
        assert torch.autograd.gradcheck(f, inputs, check_forward_ad=True)


X1 = torch.tensor([0.0, 1.0, 3.0], dtype=F64)
X2 = torch.tensor([-1.0, 0.5, 1.0, 2.0], dtype=F64)
TABLE = rand(3, 4)


def reference(x1, x2, table=TABLE):
    i, j = (
        int(torch.searchsorted(X1, x1, right=True).clamp(1, 2)),
        int(torch.searchsorted(X2, x2, right=True).clamp(1, 3)),
    )
    xi, eta = (x1 - X1[i - 1]) / (X1[i] - X1[i - 1]), (x2 - X2[j - 1]) / (X2[j] - X2[j - 1])
    a, b, c, d = table[i - 1, j - 1], table[i, j - 1], table[i - 1, j], table[i, j]
    return a + (b - a) * xi + (c - a) * eta + (d - b - c + a) * xi * eta


class TestBilinear:
    def test_against_cell_formula(self):
        x1, x2 = 5.0 * rand(60) - 1.0, 5.0 * rand(60) - 2.0
        out = nt.bilinear_interpolation(Scalar(x1), Scalar(x2), Scalar(X1), Scalar(X2), Scalar(TABLE, 2))
        assert out.shape == (60,) and out.sub_batch_ndim == 0
        torch.testing.assert_close(out.data, torch.stack([reference(a, b) for a, b in zip(x1, x2, strict=True)]))

    def test_reproduces_a_bilinear_function(self):
        f = lambda a, b: 1.0 + 2.0 * a - 3.0 * b + 0.5 * a * b  # noqa: E731
        x1, x2 = 5.0 * rand(20) - 1.0, 5.0 * rand(20) - 2.0
        table = Scalar(f(X1[:, None], X2[None, :]))
        out = nt.bilinear_interpolation(Scalar(x1), Scalar(x2), Scalar(X1, 1), Scalar(X2, 1), table)
        torch.testing.assert_close(out.data, f(x1, x2))

    @pytest.mark.parametrize("kind", [Vec, SR2])
    def test_typed_ordinates(self, kind):
        table = kind(rand(3, 4, *kind.BASE_SHAPE), 2)
        x1, x2 = Scalar(3.0 * rand(5)), Scalar(2.0 * rand(5))
        out = nt.bilinear_interpolation(x1, x2, Scalar(X1), Scalar(X2), table)
        assert type(out) is kind and out.shape == (5, *kind.BASE_SHAPE)
        for k in range(5):
            torch.testing.assert_close(out.data[k], reference(x1.data[k], x2.data[k], table.data))
        point = nt.bilinear_interpolation(Scalar(1.0), Scalar(0.7), Scalar(X1), Scalar(X2), table)
        assert point.shape == kind.BASE_SHAPE

    def test_slopes(self):
        x1, x2 = torch.tensor(1.7, dtype=F64), torch.tensor(3.0, dtype=F64)
        tables = (Scalar(X1), Scalar(X2), Vec(rand(3, 4, 3)))

        def value(a, b):
            return nt.bilinear_interpolation(Scalar(a), Scalar(b), *tables).data

        s1, s2 = nt.bilinear_interpolation_slopes(Scalar(x1), Scalar(x2), *tables)
        d1, d2 = torch.func.jacfwd(value, argnums=(0, 1))(x1, x2)
        torch.testing.assert_close(s1.data, d1)
        torch.testing.assert_close(s2.data, d2)
        r1, r2 = torch.func.jacrev(value, argnums=(0, 1))(x1, x2)
        torch.testing.assert_close((r1, r2), (d1, d2))

    def test_batched_tables(self):
        table = Scalar(rand(5, 3, 4), 2)
        out = nt.bilinear_interpolation(Scalar(rand(5)), Scalar(0.3), Scalar(X1), Scalar(X2), table)
        assert out.shape == (5,)
        sites = nt.bilinear_interpolation(Scalar(rand(5, 2), 1), Scalar(rand(5)), Scalar(X1), Scalar(X2), table)
        assert sites.shape == (5, 2) and sites.sub_batch_ndim == 1
        with pytest.raises(ValueError, match="second table axis"):
            nt.bilinear_interpolation(Scalar(0.0), Scalar(0.0), Scalar(X1), Scalar(X1), table)

# SPDX-License-Identifier: MIT
"""Region views and the functions that take them."""

import pytest
import torch

import neml2.types as nt
from neml2.types import R2, SR2, SSR4, Scalar, Tensor, Vec

F64 = torch.float64
rng = torch.Generator().manual_seed(1)


def rand(*shape):
    return torch.rand(shape, dtype=F64, generator=rng)


@pytest.fixture
def x():
    return SR2(rand(5, 4, 3, 6), sub_batch_ndim=2)


class TestDynamic:
    def test_expand(self, x):
        y = SR2(rand(6)).dynamic_batch.expand(20)
        assert y.shape == (20, 6)
        assert x.dynamic_batch.expand(2, 5).shape == (2, 5, 4, 3, 6)
        assert x.dynamic_batch.expand((2, -1)).shape == (2, 5, 4, 3, 6)
        assert x.dynamic_batch.expand(2, 5).sub_batch_ndim == 2
        with pytest.raises(ValueError, match="fewer axes"):
            x.dynamic_batch.expand()

    def test_unsqueeze_squeeze(self, x):
        y = x.dynamic_batch.unsqueeze(-1, 2)
        assert y.dynamic_batch_shape == (5, 1, 1) and y.sub_batch_shape == (4, 3)
        assert y.dynamic_batch.squeeze(1).dynamic_batch_shape == (5, 1)
        with pytest.raises(ValueError, match="size 1"):
            x.dynamic_batch.squeeze(0)
        with pytest.raises(IndexError, match="dynamic_batch with 1 axes"):
            x.dynamic_batch.squeeze(1)

    def test_index(self, x):
        assert x.dynamic_batch[2].shape == (4, 3, 6)
        assert x.dynamic_batch[1:3].shape == (2, 4, 3, 6)
        assert x.dynamic_batch[..., None].dynamic_batch_shape == (5, 1)
        assert x.dynamic_batch[torch.tensor([0, 2])].dynamic_batch_shape == (2,)
        mask = torch.tensor([True, False, True, False, True])
        assert torch.equal(x.dynamic_batch[mask].data, x.data[mask])
        with pytest.raises(IndexError, match="too many"):
            x.dynamic_batch[0, 0]


class TestSub:
    def test_retag_and_flatten(self, x):
        assert x.sub_batch.retag(1).dynamic_batch_shape == (5, 4)
        assert x.sub_batch.flatten().sub_batch_ndim == 0
        assert Scalar(rand(9)).sub_batch.retag(1).sub_batch_shape == (9,)

    def test_expand(self, x):
        y = SR2(rand(5, 6)).sub_batch.expand_at(4, -1)
        assert y.sub_batch_shape == (4,) and y.dynamic_batch_shape == (5,)
        assert x.sub_batch.expand_at(7, 0).sub_batch_shape == (7, 4, 3)
        assert x.sub_batch.expand_at(7, -1).sub_batch_shape == (4, 3, 7)
        assert x.sub_batch.expand(2, 4, 3).shape == (5, 2, 4, 3, 6)
        assert SR2(rand(5, 1, 6), 1).sub_batch.expand(4).shape == (5, 4, 6)

    def test_unsqueeze_squeeze_index(self, x):
        y = x.sub_batch.unsqueeze(1)
        assert y.sub_batch_shape == (4, 1, 3)
        assert y.sub_batch.squeeze(1).sub_batch_shape == (4, 3)
        assert torch.equal(x.sub_batch[1].data, x.data[:, 1])
        assert x.sub_batch[1].sub_batch_ndim == 1
        assert torch.equal(x.sub_batch[..., 1].data, x.data[:, :, 1])
        assert x.sub_batch[:, 1:].sub_batch_shape == (4, 2)

    def test_diagonalize(self):
        s = Scalar(rand(5, 4, 3), 2)
        d = s.sub_batch.diagonalize()
        assert d.sub_batch_ndim == 3
        assert torch.equal(d.data, torch.diag_embed(s.data))
        with pytest.raises(TypeError, match="only a Scalar"):
            SR2(rand(3, 6), 1).sub_batch.diagonalize()


class TestBatchAndBase:
    def test_batch(self, x):
        assert x.batch.shape == (5, 4, 3) and x.batch.ndim == 3
        assert x.batch[0].sub_batch_ndim == 2 and x.batch[0].shape == (4, 3, 6)
        assert x.batch[..., 0].sub_batch_ndim == 1
        assert x.batch[0, 1, 2].sub_batch_ndim == 0 and x.batch[0, 1, 2].shape == (6,)
        assert Scalar(rand(3)).batch[..., None].sub_batch_ndim == 0
        with pytest.raises(TypeError, match="region"):
            nt.sum(x.batch, 0)

    def test_base(self, x):
        assert x.base.shape == (6,)
        assert type(x.base[2]) is Scalar and x.base[2].sub_batch_ndim == 2
        r = R2(rand(2, 3, 3))
        assert torch.equal(r.base.transpose(-2, -1).data, r.data.mT)
        assert type(r.base.transpose(-2, -1)) is R2
        assert type(SSR4(rand(6, 6)).base.transpose(-2, -1)) is SSR4
        assert torch.equal(r.base[0, 1].data, r.data[:, 0, 1])
        assert type(r.base[0]) is Tensor and r.base[0].base_shape == (3,)
        assert repr(r.base) == "<base (3, 3) of R2>"


class TestFunctions:
    def test_linspace(self, x):
        y = nt.linspace(Scalar(1.0).dynamic_batch, Scalar(10.0).dynamic_batch, 20)
        torch.testing.assert_close(y.data, torch.linspace(1, 10, 20, dtype=F64), rtol=1e-15, atol=0)
        a = SR2(rand(6))
        z = nt.linspace(a.dynamic_batch, x.dynamic_batch, 3)
        assert z.shape == (3, 5, 4, 3, 6) and z.sub_batch_ndim == 2
        assert torch.equal(z.data[0], a.data.expand(5, 4, 3, 6))
        torch.testing.assert_close(z.data[2], x.data)
        w = nt.linspace(x.sub_batch, (x * 3.0).sub_batch, 5, dim=-1)
        assert w.sub_batch_shape == (4, 3, 5)
        torch.testing.assert_close(w.data[..., 2, :], 2.0 * x.data)
        assert torch.equal(nt.linspace(x.dynamic_batch, x.dynamic_batch, 1).data[0], x.data)

    def test_logspace(self):
        y = nt.logspace(Scalar(0.0).dynamic_batch, Scalar(2.0).dynamic_batch, 3)
        torch.testing.assert_close(y.data, torch.tensor([1.0, 10.0, 100.0], dtype=F64))
        z = nt.logspace(Scalar(0.0).dynamic_batch, Scalar(2.0).dynamic_batch, 3, base=2.0)
        torch.testing.assert_close(z.data, torch.tensor([1.0, 2.0, 4.0], dtype=F64))

    def test_stack_and_cat(self, x):
        g = SR2(rand(5, 6))
        s = nt.stack([x.dynamic_batch, g.dynamic_batch], 1)
        assert s.dynamic_batch_shape == (5, 2) and s.sub_batch_shape == (4, 3)
        assert torch.equal(s.data[:, 1, 2, 1], g.data)
        assert nt.stack([x.sub_batch, x.sub_batch], -1).sub_batch_shape == (4, 3, 2)
        c = nt.cat([x.sub_batch, x.sub_batch[1:].sub_batch], 0)
        assert c.sub_batch_shape == (7, 3)
        d = nt.cat([Scalar(rand(2, 1)).dynamic_batch, Scalar(rand(4)).dynamic_batch], -1)
        assert d.shape == (2, 5)
        with pytest.raises(TypeError, match="one kind"):
            nt.stack([x.sub_batch, g.dynamic_batch])
        with pytest.raises(TypeError, match="region"):
            nt.cat([x, x])
        with pytest.raises(ValueError, match="at least one"):
            nt.stack([])

    def test_reductions(self, x):
        assert torch.equal(nt.sum(x.sub_batch, -1).data, x.data.sum(2))
        assert nt.sum(x.sub_batch, -1).sub_batch_ndim == 1
        assert nt.sum(x.sub_batch).sub_batch_ndim == 0 and nt.sum(x.sub_batch).shape == (5, 6)
        torch.testing.assert_close(nt.mean(x.dynamic_batch, 0).data, x.data.mean(0))
        assert nt.mean(x.dynamic_batch, -1).sub_batch_ndim == 2
        torch.testing.assert_close(nt.mean(x.sub_batch, (0, 1)).data, x.data.mean((1, 2)))
        assert type(nt.sum(x.base)) is Scalar
        assert type(nt.sum(R2(rand(3, 3)).base, 0)) is Tensor
        assert nt.sum(SR2(rand(6)).dynamic_batch).shape == (6,)
        with pytest.raises(TypeError, match="region"):
            nt.sum(x)

    def test_diff(self, x):
        y = nt.diff(x.sub_batch, 1, 0)
        assert torch.equal(y.data, torch.diff(x.data, dim=1)) and y.sub_batch_ndim == 2
        torch.testing.assert_close(nt.diff(x.sub_batch, 2, 0).data, torch.diff(x.data, n=2, dim=1))
        torch.testing.assert_close(nt.diff(x.dynamic_batch, dim=0).data, torch.diff(x.data, dim=0))
        with pytest.raises(ValueError, match="length 3"):
            nt.diff(x.sub_batch, 4, -1)

    def test_vec_of_scalars(self):
        a, b, c = Scalar(rand(5, 4), 1), Scalar(rand(5)), Scalar(1.0)
        v = nt.vec_from_scalars(a, b, c)
        assert type(v) is Vec and v.shape == (5, 4, 3) and v.sub_batch_ndim == 1
        for i, s in enumerate((a.data, b.data[:, None], c.data)):
            assert torch.equal(nt.vec_component(v, i).data, s.expand(5, 4))

# SPDX-License-Identifier: MIT
"""Rotations against matrix algebra, and the derivatives of their maps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import neml2.types as nt
from neml2.types import MRP, R2, SR2, SSR4, WR2, MillerIndex, Quaternion, Scalar, Vec

F64 = torch.float64
EYE = torch.eye(3, dtype=F64)
rng = torch.Generator().manual_seed(3)
fast = settings(max_examples=40, deadline=None)
vectors = st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3)


def randn(*shape):
    return torch.randn(shape, dtype=F64, generator=rng)


def matrix(r):
    return nt.euler_rodrigues(r).data


def close(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=atol)


class TestMatrices:
    @fast
    @given(vectors)
    def test_rotation_matrix_is_proper_orthogonal(self, r):
        m = matrix(MRP.fill(*r))
        close(m @ m.T, EYE)
        close(torch.linalg.det(m), torch.ones((), dtype=F64))

    @fast
    @given(vectors, vectors)
    def test_compose_is_matrix_product(self, p, q):
        a, b = MRP.fill(*p), MRP.fill(*q)
        x, y = a.data, b.data
        if 1.0 + (x @ x) * (y @ y) - 2.0 * (x @ y) < 1e-6:
            return
        close(matrix(nt.compose(a, b)), matrix(a) @ matrix(b), atol=1e-8)

    def test_definition(self):
        r = randn(5, 3)
        w = nt.r2_from_wr2(WR2(r)).data
        n = (r * r).sum(-1)[:, None, None]
        close(matrix(MRP(r)), EYE + (4 * (1 - n) * w + 8 * w @ w) / (1 + n) ** 2)

    def test_quarter_turn_about_z_takes_x_to_y(self):
        r = MRP.from_axis_angle(Vec.fill(0, 0, 2), math.pi / 2)
        close(nt.rotate(Vec.fill(1, 0, 0), r).data, torch.tensor([0.0, 1.0, 0.0], dtype=F64))
        close(r.data[2], torch.tensor(math.tan(math.pi / 8), dtype=F64))

    def test_inverse_and_shadow(self):
        r = MRP(randn(6, 3))
        close(matrix(nt.inverse(r)), matrix(r).mT)
        close(matrix(nt.shadow(r)), matrix(r))
        close(nt.compose(r, nt.inverse(r)).data, torch.zeros(6, 3, dtype=F64))

    def test_quaternions(self):
        r = MRP(randn(6, 3))
        q = nt.to_quaternion(r)
        close((q.data**2).sum(-1), torch.ones(6, dtype=F64))
        close(nt.quaternion_rotation_matrix(q).data, matrix(r))
        w, x, y, z = q.data.unbind(-1)
        close(nt.quaternion_rotation_matrix(q).data[:, 0, 1], 2 * (x * y - z * w))
        close(nt.quaternion_rotation_matrix(Quaternion.identity(dtype=F64)).data, EYE)


class TestConstructors:
    def test_axis_angle_forms_agree(self):
        n, angle = Vec(randn(5, 3)), Scalar(torch.linspace(-3.0, 3.0, 5, dtype=F64))
        a, b = MRP.from_axis_angle(n, angle), MRP.from_axis_angle_standard(n, angle)
        close(a.data, b.data)
        w = WR2(nt.unit(n).data * angle.data[:, None])
        close(matrix(a), torch.linalg.matrix_exp(nt.r2_from_wr2(w).data))
        assert MRP.from_axis_angle(n, Scalar(torch.rand(5, 4, dtype=F64), 1)).shape == (5, 4, 3)

    def test_from_matrix(self):
        r = MRP.rand(50, dtype=F64)
        close(MRP.from_matrix(nt.euler_rodrigues(r)).data, r.data)
        close(MRP.from_matrix(R2.identity(dtype=F64)).data, torch.zeros(3, dtype=F64))

    @pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (-1, 2, 3)])
    def test_from_matrix_at_half_turns(self, axis):
        n = torch.tensor(axis, dtype=F64)
        n = n / n.norm()
        half = 2.0 * torch.outer(n, n) - EYE
        r = MRP.from_matrix(R2(half))
        close(matrix(r), half)
        close(r.data.norm(), torch.ones((), dtype=F64))

    def test_from_matrix_is_the_stated_formula(self):
        m = matrix(MRP.rand(20, dtype=F64) * 0.9)
        angle = torch.acos((m.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2)
        axial = torch.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], -1)
        v = axial * (torch.tan(angle / 2) / (2 * torch.sin(angle)))[:, None]
        expected = v / (torch.sqrt(1 + (v * v).sum(-1, keepdim=True)) + 1)
        close(MRP.from_matrix(R2(m)).data, expected, atol=1e-9)

    def test_rotation_from_to(self):
        a, b = nt.unit(Vec(randn(5, 3))), nt.unit(Vec(randn(5, 3)))
        r = MRP.rotation_from_to(a, b)
        close(nt.rotate(a, r).data, b.data)
        close(nt.vdot(Vec(r.data), a).data, torch.zeros(5, dtype=F64))

    def test_rand(self):
        torch.manual_seed(0)
        r = MRP.rand(4000, dtype=F64)
        assert r.shape == (4000, 3) and (nt.norm(r).data <= 1.0).all()
        # E R = 0 and E R_ij^2 = 1/3 for the uniform distribution
        m = matrix(r)
        assert m.mean(0).abs().max() < 0.05
        assert (m.square().mean(0) - 1 / 3).abs().max() < 0.03
        assert MRP.rand().shape == (3,) and MRP.rand().dtype == torch.get_default_dtype()


class TestExponentialMap:
    @fast
    @given(st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
    def test_is_the_matrix_exponential(self, w):
        v = WR2.fill(*w)
        close(matrix(nt.exp_map(v)), torch.linalg.matrix_exp(nt.r2_from_wr2(v).data), atol=1e-10)

    @pytest.mark.parametrize("angle", [0.0, 1e-300, 1e-20, 1e-8, 1e-3, 0.1, 0.4999, 0.5001, 1.0, 3.0, 6.0])
    def test_value_and_derivative(self, angle):
        w = torch.tensor([0.6, -0.48, 0.64], dtype=F64) * angle
        r = nt.exp_map(WR2(w)).data
        scale = math.tan(angle / 4) / angle if angle else 0.25
        torch.testing.assert_close(r, w * scale, rtol=1e-14, atol=0)
        d = nt.dexp_map(WR2(w)).data
        for transform in (torch.func.jacfwd, torch.func.jacrev):
            torch.testing.assert_close(transform(lambda x: nt.exp_map(WR2(x)).data)(w), d, rtol=1e-12, atol=1e-13)
            assert torch.isfinite(transform(transform(lambda x: nt.exp_map(WR2(x)).data))(w)).all()

    def test_both_branches_meet(self):
        below, above = (nt.dexp_map(WR2.fill(0, 0, 0.5 * (1 + s))).data for s in (-1e-15, 1e-15))
        torch.testing.assert_close(below, above, rtol=1e-13, atol=1e-15)

    def test_gradcheck(self):
        w = randn(4, 3).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: nt.exp_map(WR2(x)).data, (w,), check_forward_ad=True)
        assert torch.autograd.gradcheck(lambda x: nt.dexp_map(WR2(x)).data, (w,), check_forward_ad=True)

    def test_huge_arguments_give_finite_derivatives(self):
        w = torch.tensor([1e60, 0.0, 0.0], dtype=F64)
        assert torch.isfinite(torch.func.jacrev(lambda x: nt.exp_map(WR2(x)).data)(w)).all()


class TestRotate:
    r = MRP(randn(4, 3))

    def test_definitions(self):
        m = matrix(self.r)
        s, w, a, v = SR2(randn(6)), WR2(randn(4, 3)), R2(randn(4, 3, 3)), Vec(randn(3))
        full = nt.r2_from_sr2(s).data
        close(nt.r2_from_sr2(nt.rotate(s, self.r)).data, m @ full @ m.mT)
        close(nt.rotate(w, self.r).data, (m @ w.data[..., None])[..., 0])
        close(nt.rotate(a, R2(m)).data, m @ a.data @ m.mT)
        close(nt.rotate(v, self.r).data, m @ v.data)
        for value in (s, w, a, v):
            assert type(nt.rotate(value, self.r)) is type(value)

    def test_ssr4_rotates_with_its_arguments(self):
        c, e = SSR4(randn(6, 6)), SR2(randn(4, 6))
        close(nt.rotate(c @ e, self.r).data, (nt.rotate(c, self.r) @ nt.rotate(e, self.r)).data)

    def test_isotropic_stiffness_does_not_rotate(self):
        c = SSR4.identity_dev(dtype=F64) * 3.0 + SSR4.identity_vol(dtype=F64) * 5.0
        close(nt.rotate(c, self.r).data, c.data.expand(4, 6, 6))

    def test_sites(self):
        schmid = SR2(randn(12, 6), 1)
        out = nt.rotate(schmid, nt.euler_rodrigues(self.r))
        assert out.shape == (4, 12, 6) and out.sub_batch_ndim == 1

    def test_rejects(self):
        with pytest.raises(TypeError, match="cannot rotate a MillerIndex"):
            nt.rotate(MillerIndex(randn(3)), self.r)
        with pytest.raises(TypeError, match="R2 or an MRP"):
            nt.rotate(SR2(randn(6)), SR2(randn(6)))

    @pytest.mark.parametrize("kind", [SR2, WR2, R2, Vec, SSR4])
    def test_derivatives(self, kind):
        a, m = randn(*kind.BASE_SHAPE), randn(3, 3)

        def rotated(x, y):
            return nt.rotate(kind(x), R2(y)).data

        da, dm = torch.func.jacfwd(rotated, argnums=(0, 1))(a, m)
        close(nt.drotate(kind(a), R2(m)).data, dm, atol=1e-11)
        close(nt.drotate_self(kind(a), R2(m)).data, da, atol=1e-11)
        batched = kind(a.expand(4, 2, *a.shape), 1)
        full = nt.drotate(batched, self.r)
        assert full.shape == (4, 2, *a.shape, 3, 3) and full.sub_batch_ndim == 1
        close(full.data[3, 1], nt.drotate(kind(a), MRP(self.r.data[3])).data)
        own = nt.drotate_self(batched, self.r)
        assert own.shape == (4, 2, *a.shape, *a.shape)
        close(own.data[3, 1], nt.drotate_self(kind(a), MRP(self.r.data[3])).data)


class TestDistances:
    def test_angle_between(self):
        n = Vec.fill(1, 2, 2)
        a, b = MRP.from_axis_angle(n, 0.3), MRP.from_axis_angle(n, 1.7)
        assert nt.gdist(a, b).data == pytest.approx(1.4)
        assert nt.dist(a, b).data == pytest.approx(1.4)
        assert nt.dist(nt.shadow(a), b).data == pytest.approx(1.4)
        assert nt.quaternion_dist(nt.to_quaternion(a), nt.to_quaternion(b)).data == pytest.approx(1.4)

    def test_distance_is_the_angle_of_the_relative_rotation(self):
        a, b = MRP(randn(20, 3)), MRP(randn(20, 3))
        m = matrix(a) @ matrix(b).mT
        angle = torch.acos(((m.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
        close(nt.dist(a, b).data, angle, atol=1e-7)
        close(nt.quaternion_dist(nt.to_quaternion(a), nt.to_quaternion(b)).data, angle, atol=1e-7)

    def test_pairings_with_shadows(self):
        a, b = MRP(randn(20, 3)), MRP(randn(20, 3))
        c, d = nt.shadow(a), nt.shadow(b)
        pairs = [nt.gdist(a, b), nt.gdist(a, d), nt.gdist(d, b), nt.gdist(d, c)]
        expected = torch.stack([p.data for p in pairs]).amin(0)
        close(nt.dist(a, b).data, expected, atol=1e-7)

    def test_at_identity(self):
        zero, b = MRP.identity(dtype=F64), MRP.from_axis_angle(Vec.fill(0, 0, 1), 0.5)
        assert nt.dist(zero, b).data == pytest.approx(0.5)
        assert nt.dist(zero, zero).data == 0.0
        assert torch.isfinite(torch.func.grad(lambda x: nt.gdist(MRP(x), b).data)(b.data)).all()

    def test_derivatives_are_finite_at_the_ends(self):
        for x in (torch.zeros(3, dtype=F64), randn(3)):
            opposite = nt.shadow(MRP(x)) if x.any() else MRP(x)
            for other in (MRP(x), opposite):
                for f in (nt.gdist, nt.dist):
                    assert torch.isfinite(torch.func.grad(lambda v, f=f, o=other: f(MRP(v), o).data)(x)).all()
        q = Quaternion.identity(dtype=F64)
        assert torch.isfinite(torch.func.grad(lambda v: nt.quaternion_dist(Quaternion(v), q).data)(q.data)).all()
        assert nt.gdist(MRP.fill(1, 0, 0), MRP.fill(-1, 0, 0)).data == pytest.approx(2 * math.pi)

    def test_volume_element(self):
        assert nt.dV(MRP.identity(dtype=F64)).data == pytest.approx(8 / math.pi)
        # the volume of all orientations, |r| <= 1, is one
        x = torch.linspace(0, 1, 4001, dtype=F64)
        r = MRP(torch.stack([x, 0 * x, 0 * x], -1))
        density = nt.dV(r).data * 4 * math.pi * x * x
        assert torch.trapezoid(density, x).item() == pytest.approx(math.pi, rel=1e-6)


def test_gradients():
    r, s = randn(3).requires_grad_(), randn(3).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda x: nt.euler_rodrigues(MRP(x)).data, (r,), check_forward_ad=True)
    assert check(lambda x, y: nt.compose(MRP(x), MRP(y)).data, (r, s), check_forward_ad=True)
    assert check(lambda x: nt.to_quaternion(MRP(x)).data, (r,), check_forward_ad=True)
    assert check(lambda x: nt.shadow(MRP(x)).data, (r,), check_forward_ad=True)
    assert check(lambda x, y: nt.gdist(MRP(x), MRP(y)).data, (r, s), check_forward_ad=True)


def test_derivative_of_rotation_matrix_along_a_direction():
    r, v = randn(3), randn(3)
    _, tangent = torch.func.jvp(lambda x: matrix(MRP(x)), (r,), (v,))
    omega = 4 / (1 + r @ r) ** 2 * ((1 - r @ r) * v - 2 * torch.linalg.cross(r, v) + 2 * (r @ v) * r)
    close(tangent, matrix(MRP(r)) @ nt.r2_from_wr2(WR2(omega)).data)

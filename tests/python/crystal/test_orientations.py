# SPDX-License-Identifier: MIT
"""Euler angles, textures, misorientations, pole figures: closed forms and properties."""

from __future__ import annotations

from math import acos, atan, cos, degrees, pi, sin, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.crystal import (
    CONVENTIONS,
    LAUE_CLASSES,
    Lattice,
    crystal_directions,
    density,
    disorientation,
    disorientation_angle,
    equivalents,
    from_euler,
    fundamental,
    into_sector,
    misorientation,
    multiply,
    poles,
    project,
    random_texture,
    symmetry_operators,
    to_euler,
    uniform_texture,
)
from neml2.types import MRP, Quaternion, dist, euler_rodrigues, quaternion_rotation_matrix, to_quaternion

F64 = torch.float64
angles = st.tuples(st.floats(0, 360), st.floats(0, 180), st.floats(0, 360))
fast = settings(max_examples=40, deadline=None)


def turn(axis: str, angle: float) -> torch.Tensor:
    v = torch.eye(3, dtype=F64)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    v[i, i] = v[j, j] = cos(angle)
    v[i, j], v[j, i] = -sin(angle), sin(angle)
    return v


def matrix(orientation: MRP) -> torch.Tensor:
    return euler_rodrigues(orientation).data


class TestEulerAngles:
    @fast
    @given(angles)
    def test_are_three_turns(self, degrees_):
        a, b, c = (x * pi / 180 for x in degrees_)
        expected = {
            "bunge": turn("z", a) @ turn("x", b) @ turn("z", c),
            "roe": turn("z", a) @ turn("y", b) @ turn("z", c),
            "kocks": turn("z", a) @ turn("y", b) @ turn("z", pi - c),
        }
        for convention in CONVENTIONS:
            found = matrix(from_euler(torch.tensor(degrees_, dtype=F64), convention, degrees=True))
            torch.testing.assert_close(found, expected[convention], rtol=0, atol=1e-13)

    @fast
    @given(angles, st.sampled_from(CONVENTIONS))
    def test_there_and_back(self, degrees_, convention):
        orientation = from_euler(torch.tensor(degrees_, dtype=F64), convention, degrees=True)
        found = to_euler(orientation, convention)
        assert ((found >= 0) & (found <= torch.tensor([2 * pi, pi + 1e-15, 2 * pi], dtype=F64))).all()
        torch.testing.assert_close(matrix(from_euler(found, convention)), matrix(orientation), rtol=0, atol=1e-13)

    def test_ambiguous_angles(self):
        for middle in (0.0, 180.0):
            found = to_euler(from_euler(torch.tensor([30.0, middle, 20.0]), degrees=True), degrees=True)
            expected = [50.0 if middle == 0 else 10.0, middle, 0.0]
            torch.testing.assert_close(found, torch.tensor(expected, dtype=F64), rtol=0, atol=1e-10)

    def test_brass_has_a_110_normal_and_a_112_direction(self):
        """(110)[1-12], phi1 = 35.26, Phi = 45, phi2 = 0: normal along z, direction along x."""
        R = matrix(from_euler(torch.tensor([degrees(atan(1 / sqrt(2))), 45.0, 0.0], dtype=F64), degrees=True))
        normal, direction = R.mT[:, 2].abs().sort().values, R.mT[:, 0].abs().sort().values
        torch.testing.assert_close(normal, torch.tensor([0, 1, 1], dtype=F64) / sqrt(2), rtol=0, atol=1e-14)
        torch.testing.assert_close(direction, torch.tensor([1, 1, 2], dtype=F64) / sqrt(6), rtol=0, atol=1e-14)

    def test_what_is_refused(self):
        with pytest.raises(ValueError, match="'euler' is no convention"):
            from_euler(torch.zeros(3), "euler")
        with pytest.raises(ValueError, match=r"shape \(\.\.\., 3\), got \(2,\)"):
            from_euler(torch.zeros(2))


@pytest.mark.parametrize("texture", [lambda n: random_texture(n, seed=3), uniform_texture])
def test_textures_are_uniform(texture):
    """The mean of R (x) R over SO(3) is the isotropic tensor 1/3 delta_ik delta_jl, that of R zero."""
    r = texture(20000)
    assert r.data.shape == (20000, 3) and r.data.dtype == F64
    assert (torch.linalg.vector_norm(r.data, dim=-1) <= 1 + 1e-14).all()
    R = matrix(r)
    assert R.mean(0).abs().max() < 0.02
    mean = torch.einsum("nij,nkl->ijkl", R, R) / len(R)
    identity = torch.eye(3, dtype=F64)
    assert (mean - torch.einsum("ik,jl->ijkl", identity, identity) / 3).abs().max() < 0.02


def test_the_spiral_is_more_even_than_chance():
    def largest_gap(r):
        q = to_quaternion(r).data
        centres = to_quaternion(random_texture(500, seed=0)).data
        return float((centres @ q.mT).abs().amax(-1).min().clamp(max=1).acos() * 2)

    assert largest_gap(uniform_texture(2000)) < 0.85 * largest_gap(random_texture(2000, seed=1))
    assert torch.equal(random_texture(5, seed=1).data, random_texture(5, seed=1).data)


class TestMisorientation:
    def test_equal_crystals_have_none(self):
        r = random_texture(50, seed=5)
        for laue in LAUE_CLASSES:
            other = MRP.from_quaternion(Quaternion(equivalents(r, laue).data[:, -1]))
            assert disorientation_angle(r, other, laue).data.max() < 1e-7

    @pytest.mark.parametrize("laue", LAUE_CLASSES)
    def test_does_not_depend_on_the_frame_or_the_order(self, laue):
        a, b, c = (random_texture(30, seed=k) for k in (1, 2, 3))
        angle = disorientation_angle(a, b, laue).data
        torch.testing.assert_close(disorientation_angle(b, a, laue).data, angle, rtol=0, atol=1e-12)
        moved = [MRP.from_quaternion(multiply(to_quaternion(c), to_quaternion(x))) for x in (a, b)]
        torch.testing.assert_close(disorientation_angle(*moved, laue).data, angle, rtol=0, atol=1e-12)
        sided = MRP.from_quaternion(multiply(to_quaternion(a), Quaternion(symmetry_operators(laue).data[-1])))
        torch.testing.assert_close(disorientation_angle(sided, b, laue).data, angle, rtol=0, atol=1e-12)

    def test_triclinic_crystals_have_the_plain_angle(self):
        a, b = random_texture(30, seed=1), random_texture(30, seed=2)
        torch.testing.assert_close(disorientation_angle(a, b, "-1").data, dist(a, b).data, rtol=0, atol=1e-7)
        R = matrix(misorientation(a, b))
        torch.testing.assert_close(R, matrix(a).mT @ matrix(b), rtol=0, atol=1e-13)

    def test_largest_angle_of_cubic_crystals(self):
        """62.80 degrees, and a mean of 40.74 (J. K. Mackenzie, Biometrika 45, 1958)."""
        a, b = random_texture(40000, seed=1), random_texture(40000, seed=2)
        found = disorientation_angle(a, b, "m-3m").data * 180 / pi
        assert 61.0 < found.max() <= 62.80
        assert float(found.mean()) == pytest.approx(40.736, abs=0.2)

    def test_twins_of_face_centred_crystals(self):
        """60 degrees about <111> (Sigma 3)."""
        axis = torch.tensor([1.0, 1.0, 1.0], dtype=F64) / sqrt(3)
        twin = MRP(axis * torch.tan(torch.tensor(pi / 12, dtype=F64)))
        assert disorientation_angle(MRP.zeros(dtype=F64), twin, "m-3m").data.item() == pytest.approx(pi / 3)
        half = MRP(axis * 1.0)  # a half turn about <111> is the same twin
        assert disorientation_angle(MRP.zeros(dtype=F64), half, "m-3m").data.item() == pytest.approx(pi / 3)
        assert disorientation_angle(MRP.zeros(dtype=F64), half, "m-3").data.item() == pytest.approx(pi / 3)

    def test_fundamental(self):
        r = random_texture(40, seed=9)
        for laue in ("m-3m", "6/mmm"):
            least = fundamental(r, laue)
            angle = 4 * torch.atan(torch.linalg.vector_norm(least.data, dim=-1))
            torch.testing.assert_close(angle, disorientation_angle(MRP.zeros(dtype=F64), r, laue).data)
            assert disorientation_angle(least, r, laue).data.max() < 1e-7
        torch.testing.assert_close(disorientation(MRP.zeros(dtype=F64), r, "m-3m").data, fundamental(r, "m-3m").data)


class TestPoleFigures:
    @pytest.mark.parametrize(
        "plane, lattice, count",
        [
            ((1, 1, 1), Lattice.cubic(1.0), 8),
            ((1, 0, 0), Lattice.cubic(1.0), 6),
            ((1, 2, 3), Lattice.cubic(1.0), 48),
            ((0, 0, 0, 1), Lattice.hexagonal(1.0, 1.6), 2),
            ((1, 0, -1, 1), Lattice.hexagonal(1.0, 1.6), 12),
        ],
    )
    def test_multiplicity(self, plane, lattice, count):
        found = poles(MRP.zeros(2, dtype=F64), plane, lattice)
        assert found.shape == (2, count, 3)
        assert (found[0] @ found[0].mT < -1 + 1e-12).any(-1).all(), "each pole has its opposite"

    def test_poles_turn_with_the_crystal(self):
        r = random_texture(5, seed=1)
        still, turned = (poles(x, (1, 1, 1), Lattice.cubic(1.0)) for x in (MRP.zeros(dtype=F64), r))
        torch.testing.assert_close(turned, still @ matrix(r).mT)

    @pytest.mark.parametrize("laue", LAUE_CLASSES)
    def test_equivalent_directions_have_one_place_in_the_sector(self, laue):
        v = torch.randn(200, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
        v = torch.nn.functional.normalize(v, dim=-1)
        inside = into_sector(v, laue)
        torch.testing.assert_close(into_sector(inside, laue), inside)
        assert (inside[:, 2] >= -1e-12).all()
        R = quaternion_rotation_matrix(symmetry_operators(laue)).data
        for S in R:
            torch.testing.assert_close(into_sector(v @ S.mT, laue), inside, rtol=0, atol=1e-12)
            torch.testing.assert_close(into_sector(-v @ S.mT, laue), inside, rtol=0, atol=1e-12)
        reached = torch.einsum("sij,nj->nsi", R, v)
        gap = torch.minimum((reached - inside[:, None]).norm(dim=-1), (reached + inside[:, None]).norm(dim=-1))
        assert gap.amin(-1).max() < 1e-12, "the direction in the sector is an equivalent one"

    def test_directions_of_known_crystals(self):
        brass = from_euler(torch.tensor([degrees(atan(1 / sqrt(2))), 45.0, 0.0], dtype=F64), degrees=True)
        found = crystal_directions(brass, (0, 0, 1), "m-3m")[0]
        torch.testing.assert_close(found, torch.tensor([1, 0, 1], dtype=F64) / sqrt(2), rtol=0, atol=1e-14)

    def test_projections(self):
        for angle in (0.0, 0.3, 1.0, pi / 2):
            t = torch.tensor(angle, dtype=F64)
            v = torch.stack([t.sin(), 0 * t, t.cos()])
            r = [float(torch.linalg.vector_norm(project(v, p))) for p in ("equal_area", "stereographic")]
            assert r == pytest.approx([sqrt(2) * float((t / 2).sin()), float((t / 2).tan())], abs=1e-14)
        with pytest.raises(ValueError, match="'flat' is no projection"):
            project(torch.zeros(3), "flat")

    def test_density(self):
        """Its mean over the sphere is one; a uniform texture has one everywhere; a single pole the Fisher density."""
        grid = poles(uniform_texture(3000), (1, 0, 0), Lattice.cubic(1.0)).reshape(-1, 3)
        points = poles(random_texture(3, seed=1), (1, 1, 1), Lattice.cubic(1.0))
        assert float(density(points, grid, 0.4).mean()) == pytest.approx(1.0, abs=0.01)
        flat = density(grid, grid[:50], 0.4)
        assert (flat - 1).abs().max() < 0.05
        one = torch.tensor([[0.0, 0.0, 1.0]], dtype=F64)
        tilted = torch.tensor([0.0, float(torch.tensor(0.2).sin()), float(torch.tensor(0.2).cos())], dtype=F64)
        assert float(density(one, tilted, 0.2) / density(one, one[0], 0.2)) == pytest.approx(0.5, rel=1e-6)

    def test_pictures(self):
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        from neml2.crystal import plot_inverse_pole_figure, plot_pole_figure

        r = random_texture(20, seed=1)
        ax = plot_pole_figure(r, (1, 1, 1), Lattice.cubic(1.0), color="red")
        (dots,) = ax.collections
        assert len(dots.get_offsets()) == 160 and (dots.get_offsets() ** 2).sum(-1).max() <= 1 + 1e-12
        assert plot_pole_figure(r, (1, 0, 0), Lattice.cubic(1.0), contours=True, levels=4) is not None
        for laue in LAUE_CLASSES:
            assert plot_inverse_pole_figure(r, (0, 0, 1), laue, projection="stereographic").lines
        plt.close("all")


def test_acos_is_the_angle_between_axes():
    """The {111} planes of a cubic crystal are 70.53 degrees apart."""
    found = poles(MRP.zeros(dtype=F64), (1, 1, 1), Lattice.cubic(1.0))[0]
    assert acos(float((found[0] @ found[1:].mT).max())) == pytest.approx(acos(1 / 3))

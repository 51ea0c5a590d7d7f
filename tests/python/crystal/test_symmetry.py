# SPDX-License-Identifier: MIT
"""Laue classes, lattices, slip systems against closed forms."""

from __future__ import annotations

from functools import partial
from math import sqrt

import pytest
import torch

from neml2.crystal import (
    CUBIC_FAMILIES,
    HEXAGONAL_FAMILIES,
    LAUE_CLASSES,
    Lattice,
    bravais_families,
    hexagonal_families,
    multiply,
    plane_from_bravais,
    slip_systems,
    symmetry_operators,
)
from neml2.types import Quaternion, quaternion_rotation_matrix, r2_from_sr2, r2_from_wr2

F64 = torch.float64
full = partial(torch.full, dtype=F64)
ORDERS = dict(zip(LAUE_CLASSES, (1, 2, 4, 3, 6, 4, 8, 6, 12, 12, 24), strict=True))


def close(actual, expected, atol=1e-14):
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=F64), rtol=0, atol=atol)


@pytest.mark.parametrize("laue", LAUE_CLASSES)
def test_operators_are_a_group(laue):
    q = symmetry_operators(laue).data
    assert q.shape == (ORDERS[laue], 4)
    close(torch.linalg.vector_norm(q, dim=-1), torch.ones(len(q)))
    close(q[0], [1.0, 0, 0, 0])
    products = multiply(Quaternion(q[:, None]), Quaternion(q[None])).data.reshape(-1, 4)
    overlap = (products @ q.mT).abs()  # 1 for the same rotation
    assert ((overlap > 1 - 1e-12).sum(-1) == 1).all(), "each product is one operator"
    assert (((q @ q.mT).abs() > 1 - 1e-12).sum(-1) == 1).all(), "no operator comes twice"


def test_smaller_classes_lie_in_larger_ones():
    for small, large in [
        ("2/m", "4/m"), ("mmm", "4/mmm"), ("4/m", "4/mmm"), ("-3", "-3m"), ("-3m", "6/mmm"), ("6/m", "6/mmm"),
        ("m-3", "m-3m"), ("4/mmm", "m-3m"), ("mmm", "m-3"),
    ]:  # fmt: skip
        overlap = (symmetry_operators(small).data @ symmetry_operators(large).data.mT).abs()
        assert (overlap.amax(-1) > 1 - 1e-12).all(), (small, large)


def test_unknown_class():
    with pytest.raises(ValueError, match="'cubic' is no Laue class; these are: -1, 2/m"):
        symmetry_operators("cubic")


@pytest.mark.parametrize("laue", ["m-3m", "6/mmm"])
def test_symmetry_maps_the_lattice_onto_itself(laue):
    lattice = Lattice.cubic(2.5) if laue == "m-3m" else Lattice.hexagonal(2.9, 1.6)
    R = quaternion_rotation_matrix(symmetry_operators(laue)).data
    indices = (lattice.vectors @ R.mT) @ torch.linalg.inv(lattice.vectors)
    close(indices, indices.round(), 1e-13)


class TestLattice:
    def test_reciprocal(self):
        lattice = Lattice.hexagonal(3.2, 1.624)
        close(lattice.reciprocal @ lattice.vectors.mT, torch.eye(3))

    def test_interplanar_spacing_of_a_hexagonal_lattice(self):
        """1/d^2 = 4/3 (h^2 + hk + k^2)/a^2 + l^2/c^2."""
        a, ratio = 3.2, 1.624
        for h, k, m in [(0, 0, 1), (1, 0, 0), (1, 1, 2), (2, -1, 3)]:
            normal = Lattice.hexagonal(a, ratio).normal(torch.tensor([h, k, m]))
            expected = 4 / 3 * (h * h + h * k + k * k) / a**2 + m * m / (a * ratio) ** 2
            close(normal @ normal, expected)

    def test_four_indices(self):
        with pytest.raises(ValueError, match="must add up to 0"):
            plane_from_bravais(torch.tensor([1, 0, 0, 1]))
        with pytest.raises(ValueError, match="are four, got 3"):
            plane_from_bravais(torch.tensor([1, 0, 0]))
        d, n = bravais_families([(1, 1, -2, 3)], [(1, 1, -2, 2)])
        assert d.tolist() == [[3, 3, 3]] and n.tolist() == [[1, 1, 2]]

    def test_lengths_must_be_positive(self):
        with pytest.raises(ValueError, match="lattice parameter must be positive"):
            Lattice.cubic(0.0)
        with pytest.raises(ValueError, match="ratio c/a must be positive"):
            Lattice.hexagonal(1.0, -1.6)


def miller(indices):
    return torch.tensor(indices)


class TestSlipSystems:
    def test_schmid_tensors(self):
        systems = slip_systems(Lattice.cubic(3.6), miller([1, 1, 0]), miller([1, 1, 1]))
        A = systems.A.data
        close(torch.einsum("kii->k", A), torch.zeros(12))
        close((A * A).sum((-1, -2)), torch.ones(12))
        close(r2_from_sr2(systems.M).data + r2_from_wr2(systems.W).data, A)
        close((systems.M.data**2).sum(-1), full((12,), 0.5))
        assert systems.A.sub_batch_ndim == systems.M.sub_batch_ndim == systems.W.sub_batch_ndim == 1

    def test_order_of_face_centred_systems(self):
        systems = slip_systems(Lattice.cubic(1.0), miller([1, 1, 0]), miller([1, 1, 1]))
        d = [(1, 1, 0)] * 2 + [(0, 1, 1)] * 2 + [(1, 0, 1)] * 2 + [(-1, 0, 1)] * 2 + [(0, 1, -1)] * 2 + [(-1, 1, 0)] * 2
        n = [
            (-1, 1, -1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1), (-1, -1, 1), (1, -1, -1),
            (1, 1, 1), (-1, 1, -1), (1, 1, 1), (1, -1, -1), (1, 1, 1), (-1, -1, 1),
        ]  # fmt: skip
        close(systems.directions, torch.tensor(d, dtype=F64) / sqrt(2))
        close(systems.normals, torch.tensor(n, dtype=F64) / sqrt(3))
        close(systems.burgers, full((12,), sqrt(2)))

    @pytest.mark.parametrize(
        "axis, factors",
        [
            ([1, 0, 0], {1 / sqrt(6): 8, 0.0: 4}),
            ([1, 1, 1], {sqrt(2 / 27): 6, 0.0: 6}),
            ([1, 1, 0], {1 / sqrt(6): 4, 0.0: 8}),
        ],
    )
    def test_schmid_factors_of_face_centred_crystals(self, axis, factors):
        systems = slip_systems(Lattice.cubic(1.0), miller([1, 1, 0]), miller([1, 1, 1]))
        found = systems.schmid_factors(torch.tensor(axis, dtype=F64)).abs()
        for value, count in factors.items():
            assert int(((found - value).abs() < 1e-14).sum()) == count

    @pytest.mark.parametrize("name, count", [("110", 12), ("112", 12), ("123", 24)])
    def test_body_centred_families(self, name, count):
        direction, plane = CUBIC_FAMILIES[name]
        systems = slip_systems(Lattice.cubic(2.87), miller(direction), miller(plane))
        assert systems.count == count
        close((systems.directions * systems.normals).sum(-1), torch.zeros(count))
        close(systems.directions.abs(), full((count, 3), 1 / sqrt(3)))
        length = sqrt(sum(i * i for i in plane))
        close(systems.normals.abs().sort(-1).values, torch.tensor([sorted(plane)] * count, dtype=F64) / length)
        best = systems.schmid_factors(torch.tensor([0.0, 0.0, 1.0], dtype=F64)).abs().max()
        close(best, max(plane) / sqrt(3) / length)

    @pytest.mark.parametrize(
        "name, count, angle, burgers",
        [
            ("basal", 3, 0.0, "a"),
            ("prismatic", 3, 90.0, "a"),
            ("prismatic_c", 3, 90.0, "c"),
            ("pyramidal_a", 6, "10-11", "a"),
            ("pyramidal_ca", 12, "10-11", "ca"),
            ("pyramidal_2_ca", 6, "11-22", "ca"),
        ],
    )
    @pytest.mark.parametrize("ratio", [1.587, sqrt(8 / 3), 1.856])
    def test_hexagonal_families(self, name, count, angle, burgers, ratio):
        """Inclination of the planes to the basal one, tan = 2 c/(sqrt(3) a) for {10-11} and c/a for {11-22}, and the
        lengths of <a>, c and <c+a>."""
        a = 2.95
        systems = slip_systems(Lattice.hexagonal(a, ratio), *hexagonal_families([name]))
        assert systems.count == count and set(HEXAGONAL_FAMILIES) >= {name}
        close((systems.directions * systems.normals).sum(-1), torch.zeros(count))
        tangent = {"10-11": 2 * ratio / sqrt(3), "11-22": ratio}
        cosine = {0.0: 1.0, 90.0: 0.0}.get(angle) if angle not in tangent else 1 / sqrt(1 + tangent[angle] ** 2)
        close(systems.normals[:, 2].abs(), full((count,), cosine))
        length = {"a": a, "c": a * ratio, "ca": a * sqrt(1 + ratio**2)}[burgers]
        close(systems.burgers, full((count,), length), 1e-13)

    def test_families_follow_each_other(self):
        directions, planes = hexagonal_families(["basal", "pyramidal_ca", "prismatic"])
        systems = slip_systems(Lattice.hexagonal(1.0, 1.6), directions, planes)
        assert systems.offsets == (0, 3, 15, 18) and systems.count == 18

    def test_prismatic_slip_of_a_crystal_pulled_along_a(self):
        """Two of the three systems are at 60 degrees: cos 60 sin 60."""
        systems = slip_systems(Lattice.hexagonal(1.0, 1.6), *hexagonal_families(["prismatic"]))
        found = systems.schmid_factors(torch.tensor([1.0, 0.0, 0.0], dtype=F64)).abs().sort().values
        close(found, [0.0, sqrt(3) / 4, sqrt(3) / 4])
        basal = slip_systems(Lattice.hexagonal(1.0, 1.6), *hexagonal_families(["basal"]))
        close(basal.schmid_factors(torch.tensor([0.0, 0.0, 1.0], dtype=F64)), torch.zeros(3))

    def test_common_divisors_do_not_matter(self):
        one = slip_systems(Lattice.cubic(1.0), miller([1, 1, 0]), miller([1, 1, 1]))
        two = slip_systems(Lattice.cubic(1.0), miller([2, 2, 0]), miller([3, 3, 3]))
        assert torch.equal(one.A.data, two.A.data) and torch.equal(one.burgers, two.burgers)

    def test_what_is_refused(self):
        with pytest.raises(ValueError, match=r"no direction <1 0 0> lies in a plane \{1 1 1\}"):
            slip_systems(Lattice.cubic(1.0), miller([1, 0, 0]), miller([1, 1, 1]))
        with pytest.raises(ValueError, match="must both have shape"):
            slip_systems(Lattice.cubic(1.0), miller([1, 0, 0]), torch.tensor([[1, 1, 1]]))
        with pytest.raises(ValueError, match="must not all be zero"):
            slip_systems(Lattice.cubic(1.0), miller([0, 0, 0]), miller([1, 1, 1]))

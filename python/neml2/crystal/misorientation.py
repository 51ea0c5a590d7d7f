# SPDX-License-Identifier: MIT
"""Rotations between crystals, and the least of those that symmetry makes equal."""

from __future__ import annotations

import torch

from ..types import MRP, Quaternion, Scalar, to_quaternion
from .symmetry import symmetry_operators


def multiply(p: Quaternion, q: Quaternion) -> Quaternion:
    """The rotation p after q."""
    a, b = torch.broadcast_tensors(p.data, q.data)
    u, v = a[..., 1:], b[..., 1:]
    w = a[..., :1] * b[..., :1] - (u * v).sum(-1, keepdim=True)
    vector = a[..., :1] * v + b[..., :1] * u + torch.linalg.cross(u, v)
    return Quaternion(torch.cat([w, vector], -1))


def conjugate(q: Quaternion) -> Quaternion:
    """The opposite rotation."""
    return Quaternion(torch.cat([q.data[..., :1], -q.data[..., 1:]], -1))


def misorientation(a: MRP, b: MRP) -> MRP:
    """The rotation Ra^T Rb that takes components in the axes of crystal b to those of crystal a."""
    return MRP.from_quaternion(multiply(conjugate(to_quaternion(a)), to_quaternion(b)))


def equivalents(orientation: MRP, laue: str) -> Quaternion:
    """All orientations (..., n) that crystals of a Laue class cannot tell from this one, R S."""
    return multiply(Quaternion(to_quaternion(orientation).data.unsqueeze(-2)), symmetry_operators(laue))


def fundamental(orientation: MRP, laue: str) -> MRP:
    """The equivalent orientation of least angle."""
    return MRP.from_quaternion(_least(equivalents(orientation, laue)))


def disorientation(a: MRP, b: MRP, laue: str) -> MRP:
    """The misorientation of least angle among those of equivalent orientations of two crystals of one Laue class."""
    return fundamental(misorientation(a, b), laue)


def disorientation_angle(a: MRP, b: MRP, laue: str) -> Scalar:
    """Angle of the disorientation, in radians. It is symmetric, and zero for equivalent orientations only."""
    q = _least(equivalents(misorientation(a, b), laue)).data
    return Scalar(2 * torch.atan2(torch.linalg.vector_norm(q[..., 1:], dim=-1), q[..., 0].abs()))


def _least(q: Quaternion) -> Quaternion:
    """Of quaternions (..., n) the one of least angle."""
    best = q.data[..., 0].abs().argmax(-1, keepdim=True).unsqueeze(-1)
    return Quaternion(torch.take_along_dim(q.data, best, -2).squeeze(-2))

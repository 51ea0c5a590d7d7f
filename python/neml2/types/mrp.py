# SPDX-License-Identifier: MIT
"""Orientations as modified Rodrigues parameters."""

from __future__ import annotations

from math import pi
from typing import Any

import torch

from ._align import aligned, lift, pad_base
from ._wrapper import PrimitiveTensor, TensorWrapper
from .algebra import cross_data, dot_data, unit
from .quaternion import Quaternion
from .r2 import R2
from .scalar import Scalar
from .vec import Vec


class MRP(PrimitiveTensor):
    """Rotation by an angle theta about the unit axis n, stored as ``n tan(theta/4)``; the identity is zero.

    Active: it takes crystal-axis components to lab-axis components.
    """

    __slots__ = ()
    BASE_SHAPE = (3,)

    @classmethod
    def identity(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> MRP:
        """No rotation."""
        return cls.zeros(dtype=dtype, device=device)

    @classmethod
    def rand(cls, *batch: int, dtype: torch.dtype | None = None, device: Any = None) -> MRP:
        """Uniform on SO(3), of norm at most one (K. Shoemake, Graphics Gems III, 1992)."""
        u = torch.rand(*batch, 3, dtype=dtype, device=device)
        u0, a1, a2 = u.select(-1, 0), 2.0 * pi * u.select(-1, 1), 2.0 * pi * u.select(-1, 2)
        s, t = torch.sqrt(1.0 - u0), torch.sqrt(u0)
        vector = torch.stack([s * torch.cos(a1), t * torch.sin(a2), t * torch.cos(a2)], -1)
        return cls._wrap(_from_quaternion(s * torch.sin(a1), vector))

    @classmethod
    def from_axis_angle(cls, axis: Vec, angle: Scalar | float) -> MRP:
        """Rotation by `angle` (radians) about `axis`, ``unit(axis) tan(angle/4)``."""
        data, n = _axis_times_tan(axis, angle, 4.0)
        return cls._wrap(data, n)

    @classmethod
    def from_axis_angle_standard(cls, axis: Vec, angle: Scalar | float) -> MRP:
        """As `from_axis_angle`, by way of the standard Rodrigues vector ``unit(axis) tan(angle/2)``."""
        data, n = _axis_times_tan(axis, angle, 2.0)
        return cls._wrap(_from_rodrigues(data, 1.0), n)

    @classmethod
    def from_matrix(cls, r: R2) -> MRP:
        """Rotation of an orthogonal matrix, of norm at most one; exact at half turns too.

        Takes the row of 4 q q^T that is largest for the quaternion q, so that no cancellation occurs (S. W.
        Shepperd, J. Guidance and Control 1, 1978).
        """
        rows = [[r.data[..., i, j] for j in range(3)] for i in range(3)]
        (r00, r01, r02), (r10, r11, r12), (r20, r21, r22) = rows
        candidates = [
            [1.0 + r00 + r11 + r22, r21 - r12, r02 - r20, r10 - r01],
            [r21 - r12, 1.0 + r00 - r11 - r22, r01 + r10, r02 + r20],
            [r02 - r20, r01 + r10, 1.0 - r00 + r11 - r22, r12 + r21],
            [r10 - r01, r02 + r20, r12 + r21, 1.0 - r00 - r11 + r22],
        ]
        best, size = torch.stack(candidates[0], -1), candidates[0][0]
        for k in (1, 2, 3):
            better = candidates[k][k] > size
            best = torch.where(better.unsqueeze(-1), torch.stack(candidates[k], -1), best)
            size = torch.where(better, candidates[k][k], size)
        return cls._wrap(_from_quaternion(best.select(-1, 0), best[..., 1:]), r.sub_batch_ndim)

    @classmethod
    def from_quaternion(cls, q: Quaternion) -> MRP:
        """Rotation of a quaternion of any length, of norm at most one."""
        return cls._wrap(_from_quaternion(q.data[..., 0], q.data[..., 1:]), q.sub_batch_ndim)

    @classmethod
    def rotation_from_to(cls, a: Vec, b: Vec) -> MRP:
        """The shortest rotation of unit vector `a` to unit vector `b`; undefined where they are opposite."""
        x, y, n = aligned(a, b)
        return cls._wrap(_from_rodrigues(cross_data(x, y), 1.0 + dot_data(x, y).unsqueeze(-1)), n)


def _axis_times_tan(axis: Vec, angle: Scalar | float, divisor: float) -> tuple[torch.Tensor, int]:
    direction = unit(axis)
    if not isinstance(angle, TensorWrapper):
        angle = Scalar(torch.as_tensor(angle, dtype=axis.dtype, device=axis.device))
    n = max(axis.sub_batch_ndim, angle.sub_batch_ndim)
    scale = torch.tan(lift(angle.data, 0, angle.sub_batch_ndim, n) / divisor)
    return lift(direction.data, 1, axis.sub_batch_ndim, n) * pad_base(scale, 1), n


def _from_rodrigues(v: torch.Tensor, d: torch.Tensor | float) -> torch.Tensor:
    """MRP of the standard Rodrigues vector v/d, finite where d = 0."""
    return v / (d + torch.sqrt(d * d + (v * v).sum(-1, keepdim=True)))


def _from_quaternion(w: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """MRP of norm at most one of a quaternion of any length and either sign."""
    w = w.unsqueeze(-1)
    length = torch.sqrt(w * w + (vector * vector).sum(-1, keepdim=True))
    return torch.where(w < 0.0, -vector, vector) / (length + torch.abs(w))

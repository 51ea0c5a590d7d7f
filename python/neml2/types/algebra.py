# SPDX-License-Identifier: MIT
"""Tensor algebra: invariants, products, parts, inverses and conversions.

Functions named ``*_data`` work on raw storage and are shared with `rotation`.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, TypeVar

import torch

from ._align import aligned, aligned_all, pad_base
from ._wrapper import TensorWrapper
from .r2 import R2
from .scalar import Scalar
from .sr2 import SR2
from .ssr4 import SSR4
from .vec import Vec
from .wr2 import WR2

W = TypeVar("W", bound=TensorWrapper)

_ROOT2 = sqrt(2.0)
_INV_ROOT2 = sqrt(0.5)


# Parts --------------------------------------------------------------------------------------------


def tr(a: SR2 | R2) -> Scalar:
    """Trace."""
    if a.__class__ is SR2:
        return Scalar._wrap(a.data[..., :3].sum(-1), a.sub_batch_ndim)
    _require(a, R2, "tr")
    return Scalar._wrap(a.data[..., 0, 0] + a.data[..., 1, 1] + a.data[..., 2, 2], a.sub_batch_ndim)


def vol(a: SR2) -> SR2:
    """Volumetric part, tr(a)/3 I."""
    _require(a, SR2, "vol")
    mean = a.data[..., :3].sum(-1) / 3.0
    zero = torch.zeros_like(mean)
    return SR2._wrap(torch.stack([mean, mean, mean, zero, zero, zero], -1), a.sub_batch_ndim)


def dev(a: SR2) -> SR2:
    """Deviatoric part, a - vol(a)."""
    _require(a, SR2, "dev")
    normal = a.data[..., :3]
    mean = normal.sum(-1, keepdim=True) / 3.0
    return SR2._wrap(torch.cat([normal - mean, a.data[..., 3:]], -1), a.sub_batch_ndim)


def sym(a: R2) -> SR2:
    """Symmetric part, (M + M^T)/2."""
    _require(a, R2, "sym")
    return SR2._wrap(sym_data(a.data), a.sub_batch_ndim)


def skew(a: R2) -> WR2:
    """Skew part, (M - M^T)/2."""
    _require(a, R2, "skew")
    return WR2._wrap(skew_data(a.data), a.sub_batch_ndim)


def r2_from_sr2(a: SR2) -> R2:
    """Full tensor of a symmetric one."""
    _require(a, SR2, "r2_from_sr2")
    return R2._wrap(full_from_mandel_data(a.data), a.sub_batch_ndim)


def r2_from_wr2(a: WR2) -> R2:
    """Full tensor of a skew one."""
    _require(a, WR2, "r2_from_wr2")
    return R2._wrap(full_from_axial_data(a.data), a.sub_batch_ndim)


def sym_data(m: torch.Tensor) -> torch.Tensor:
    """Mandel storage of the symmetric part of ``(..., 3, 3)``."""
    (m00, m01, m02), (m10, m11, m12), (m20, m21, m22) = _entries(m)
    shear = [(m12 + m21) * _INV_ROOT2, (m02 + m20) * _INV_ROOT2, (m01 + m10) * _INV_ROOT2]
    return torch.stack([m00, m11, m22, *shear], -1)


def skew_data(m: torch.Tensor) -> torch.Tensor:
    """Axial storage of the skew part of ``(..., 3, 3)``."""
    (_, m01, m02), (m10, _, m12), (m20, m21, _) = _entries(m)
    return torch.stack([m21 - m12, m02 - m20, m10 - m01], -1) / 2.0


def full_from_mandel_data(a: torch.Tensor) -> torch.Tensor:
    """``(..., 3, 3)`` of Mandel storage."""
    xx, yy, zz = (a.select(-1, i) for i in range(3))
    yz, xz, xy = (a.select(-1, i) * _INV_ROOT2 for i in range(3, 6))
    return _matrix([xx, xy, xz, xy, yy, yz, xz, yz, zz])


def full_from_axial_data(w: torch.Tensor) -> torch.Tensor:
    """``(..., 3, 3)`` of axial storage."""
    w0, w1, w2 = (w.select(-1, i) for i in range(3))
    zero = torch.zeros_like(w0)
    return _matrix([zero, -w2, w1, w2, zero, -w0, -w1, w0, zero])


def _entries(m: torch.Tensor) -> list[list[torch.Tensor]]:
    rows = [m.select(-2, i) for i in range(3)]
    return [[row.select(-1, j) for j in range(3)] for row in rows]


def _matrix(entries: list[torch.Tensor]) -> torch.Tensor:
    data = torch.stack(entries, -1)
    return data.reshape(*data.shape[:-1], 3, 3)


# Products and norms -------------------------------------------------------------------------------


def inner(a: W, b: W) -> Scalar:
    """Sum over the base of the product of two values of one type (A:B for SR2)."""
    _require(b, type(a), "inner")
    x, y, n = aligned(a, b)
    return Scalar._wrap(_sum_base(x * y, a.base_ndim), n)


def norm(a: TensorWrapper, eps: float = 0.0) -> Scalar:
    """``sqrt(sum of squares over the base + eps)``, `eps` unsquared; without it the derivative at 0 is 0."""
    square = _sum_base(a.data * a.data, a.base_ndim)
    return Scalar._wrap(_root(square) if eps == 0.0 else torch.sqrt(square + eps), a.sub_batch_ndim)


def unit(a: W, eps: float = 0.0) -> W:
    """``a / norm(a, eps)``; without `eps` not a number where a is zero."""
    return a / norm(a, eps)


def von_mises(a: SR2, eps: float = 0.0) -> Scalar:
    """``sqrt(3/2 S:S + eps)`` with S = dev(a)."""
    s = dev(a).data
    square = 1.5 * (s * s).sum(-1)
    return Scalar._wrap(_root(square) if eps == 0.0 else torch.sqrt(square + eps), a.sub_batch_ndim)


def outer(a: Any, b: Any) -> Any:
    """Dyadic product: SR2 with SR2 gives SSR4, Vec with Vec gives R2."""
    _require(b, type(a), "outer")
    result = {SR2: SSR4, Vec: R2}.get(type(a))
    if result is None:
        raise TypeError(f"outer takes two SR2 or two Vec, not {type(a).__name__}")
    x, y, n = aligned(a, b)
    return result._wrap(x.unsqueeze(-1) * y.unsqueeze(-2), n)


def cross(a: W, b: W) -> W:
    """Vector product a x b."""
    _require(b, type(a), "cross")
    x, y, n = aligned(a, b)
    return a._make(cross_data(x, y), n)


def vdot(a: Vec, b: Vec) -> Scalar:
    """Scalar product of two Vec (or of two values of another three-component type)."""
    return inner(a, b)


def cross_data(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Vector product over the last axis."""
    return _cycle(x * _cycle(y) - _cycle(x) * y)


def dot_data(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Scalar product over the last axis."""
    return (x * y).sum(-1)


def _cycle(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[..., 1:], x[..., :1]], -1)


def _sum_base(x: torch.Tensor, base_ndim: int) -> torch.Tensor:
    return x.sum(list(range(-base_ndim, 0))) if base_ndim else x


def _root(square: torch.Tensor) -> torch.Tensor:
    """Square root whose derivative at zero is zero."""
    zero = square == 0.0
    return torch.where(zero, 0.0, torch.sqrt(torch.where(zero, 1.0, square)))


# Determinant and inverse --------------------------------------------------------------------------


def det(a: R2 | SR2) -> Scalar:
    """Determinant of the 3x3 tensor."""
    return Scalar._wrap(_cofactors(a)[1], a.sub_batch_ndim)


def inv(a: Any) -> Any:
    """Inverse of the 3x3 tensor, of the type of `a`."""
    adjugate, determinant = _cofactors(a)
    data = torch.stack(adjugate, -1) / determinant.unsqueeze(-1)
    return a._make(data if a.__class__ is SR2 else data.reshape(*data.shape[:-1], 3, 3), a.sub_batch_ndim)


def _cofactors(a: R2 | SR2) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Adjugate in the storage of `a`, and determinant."""
    if a.__class__ is SR2:
        return _cofactors_mandel(a.data)
    _require(a, R2, "det and inv")
    (a00, a01, a02), (a10, a11, a12), (a20, a21, a22) = _entries(a.data)
    c00, c01, c02 = a11 * a22 - a12 * a21, a12 * a20 - a10 * a22, a10 * a21 - a11 * a20
    c10, c11, c12 = a02 * a21 - a01 * a22, a00 * a22 - a02 * a20, a01 * a20 - a00 * a21
    c20, c21, c22 = a01 * a12 - a02 * a11, a02 * a10 - a00 * a12, a00 * a11 - a01 * a10
    return [c00, c10, c20, c01, c11, c21, c02, c12, c22], a00 * c00 + a01 * c01 + a02 * c02


def _cofactors_mandel(a: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    a0, a1, a2, a3, a4, a5 = (a.select(-1, i) for i in range(6))
    normal = [a1 * a2 - a3 * a3 / 2.0, a0 * a2 - a4 * a4 / 2.0, a0 * a1 - a5 * a5 / 2.0]
    shear = [a4 * a5 * _INV_ROOT2 - a0 * a3, a3 * a5 * _INV_ROOT2 - a1 * a4, a3 * a4 * _INV_ROOT2 - a2 * a5]
    return normal + shear, a0 * normal[0] + (a4 * shear[1] + a5 * shear[2]) / 2.0


# Components ---------------------------------------------------------------------------------------


def vec_component(v: Vec, i: int) -> Scalar:
    """Component `i` of a Vec."""
    return Scalar._wrap(v.data.select(-1, i), v.sub_batch_ndim)


def vec_from_scalars(a: Scalar, b: Scalar, c: Scalar) -> Vec:
    """Vec of three Scalars, which broadcast."""
    parts, n = aligned_all([a, b, c])
    return Vec._wrap(torch.stack(torch.broadcast_tensors(*parts), -1), n)


def scaled_data(a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Vector storage times one number per point."""
    return a * pad_base(s, 1)


def _require(value: Any, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} takes {kind.__name__} here, not {type(value).__name__}")

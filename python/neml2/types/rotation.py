# SPDX-License-Identifier: MIT
"""Rotations: modified Rodrigues parameters, quaternions, and the rotation of tensors.

H. Schaub and J. L. Junkins, Analytical Mechanics of Space Systems, chapter 3, for the kinematics.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import torch

from ._align import aligned
from .algebra import (
    cross_data,
    dot_data,
    full_from_axial_data,
    full_from_mandel_data,
    skew_data,
    sym_data,
)
from .mrp import MRP
from .quaternion import Quaternion
from .r2 import R2
from .scalar import Scalar
from .sr2 import SR2
from .ssr4 import SSR4
from .tensor import Tensor
from .vec import Vec
from .wr2 import WR2

# Coefficients c_k of tan(sqrt(s)/4)/sqrt(s) = sum_k c_k s^k, from those of tan.
_TAN = (1.0, 1 / 3, 2 / 15, 17 / 315, 62 / 2835, 1382 / 155925, 21844 / 6081075, 929569 / 638512875)
_EXP_SERIES = tuple(c / 4.0 ** (2 * k + 1) for k, c in enumerate(_TAN))
# Below this squared angle eight terms are exact to rounding.
_EXP_SMALL = 0.25


def euler_rodrigues(r: MRP) -> R2:
    """Rotation matrix ``I + [4 (1 - r.r) W + 8 W^2]/(1 + r.r)^2``, W the skew matrix of r."""
    x = r.data
    square = dot_data(x, x).unsqueeze(-1)
    scale = 1.0 / ((1.0 + square) * (1.0 + square))
    # W^2 = r r^T - (r.r) I
    dyad = (8.0 * scale * x).unsqueeze(-1) * x.unsqueeze(-2)
    spin = full_from_axial_data(4.0 * (1.0 - square) * scale * x)
    diagonal = (1.0 - 8.0 * square * scale).unsqueeze(-1) * _eye(x)
    return R2._wrap(diagonal + dyad + spin, r.sub_batch_ndim)


def compose(r1: MRP, r2: MRP) -> MRP:
    """The rotation r1 after the rotation r2; undefined for a full turn."""
    x, y, n = aligned(r1, r2)
    xx, yy, xy = (dot_data(a, b).unsqueeze(-1) for a, b in ((x, x), (y, y), (x, y)))
    numerator = (1.0 - yy) * x + (1.0 - xx) * y - 2.0 * cross_data(y, x)
    return MRP._wrap(numerator / (1.0 + xx * yy - 2.0 * xy), n)


def inverse(r: MRP) -> MRP:
    """The opposite rotation, -r."""
    return -r


def shadow(r: MRP) -> MRP:
    """The other parameters of the same rotation, -r/(r.r); undefined for the identity."""
    return MRP._wrap(-r.data / dot_data(r.data, r.data).unsqueeze(-1), r.sub_batch_ndim)


# Exponential map ----------------------------------------------------------------------------------


def exp_map(w: WR2) -> MRP:
    """Rotation by |w| about w, ``unit(w) tan(|w|/4)``; analytic at w = 0, singular for a full turn."""
    s = dot_data(w.data, w.data)
    return MRP._wrap(w.data * _exp_scale(s)[0].unsqueeze(-1), w.sub_batch_ndim)


def nominal_exp_map(w: WR2) -> MRP:
    """``w tan(m/2) / (2 m cos(m/2))`` with m = w.w: `exp_map` up to third order, the map that input files and their
    reference results have been made with."""
    m = dot_data(w.data, w.data)
    small = m <= torch.finfo(m.dtype).eps ** (1.0 / 3.0)
    half = torch.where(small, 0.5, 0.5 * m)  # each branch sees an argument of its own range
    scale = torch.where(small, 0.25 + (5.0 / 96.0) * m * m, torch.tan(half) / (4.0 * half * torch.cos(half)))
    return MRP._wrap(w.data * scale.unsqueeze(-1), w.sub_batch_ndim)


def dexp_map(w: WR2) -> R2:
    """Derivative of `exp_map`, ``f I + g w w^T`` with f = tan(|w|/4)/|w| and g = f'(|w|)/|w|."""
    x = w.data
    f, g = _exp_scale(dot_data(x, x))
    dyad = (g.unsqueeze(-1) * x).unsqueeze(-1) * x.unsqueeze(-2)
    return R2._wrap(f.unsqueeze(-1).unsqueeze(-1) * _eye(x) + dyad, w.sub_batch_ndim)


def _exp_scale(s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """f = tan(a/4)/a and g = f'(a)/a of the angle a = sqrt(s)."""
    small = s < _EXP_SMALL
    # Each branch sees an argument of its own range, so that the other one adds no infinity to a derivative.
    z = torch.where(small, s, 0.0)
    f_small = torch.full_like(z, _EXP_SERIES[-1])
    g_small = torch.zeros_like(z)
    for c in reversed(_EXP_SERIES[:-1]):
        g_small = g_small * z + f_small
        f_small = f_small * z + c
    angle = torch.sqrt(torch.where(small, 1.0, s))
    tangent = torch.tan(angle / 4.0)
    f = tangent / angle
    g = ((1.0 + tangent * tangent) / 4.0 - f) / (angle * angle)
    return torch.where(small, f_small, f), torch.where(small, 2.0 * g_small, g)


# Rotation of tensors ------------------------------------------------------------------------------


def rotate(a: Any, r: R2 | MRP) -> Any:
    """Components of `a` after the rotation `r`, a matrix R or an MRP.

    ``sym(R A R^T)`` for SR2, ``skew(R W R^T)`` for WR2, ``R A R^T`` for R2, ``R v`` for Vec, ``Q C Q^T``
    with the Mandel rotation Q for SSR4.
    """
    x, y, n = aligned(a, _matrix_of(r))
    return a._make(_rule(a)[0](x, y), n)


def drotate(a: Any, r: R2 | MRP) -> Tensor:
    """Derivative of `rotate` to the matrix, base shape ``(*base of a, 3, 3)``."""
    x, y, n = aligned(a, _matrix_of(r))
    base = len(a.BASE_SHAPE)
    units = torch.tensor([[float(i == j) for j in range(9)] for i in range(9)], dtype=y.dtype, device=y.device)
    out = _rule(a)[1](x.unsqueeze(-base - 1), y.unsqueeze(-3), units.reshape(9, 3, 3))
    out = out.movedim(-base - 1, -1)
    return Tensor(out.reshape(*out.shape[:-1], 3, 3), base + 2, n)


def drotate_self(a: Any, r: R2 | MRP) -> Tensor:
    """Derivative of `rotate` to the rotated value, base shape ``(*base of a, *base of a)``."""
    matrix = _matrix_of(r)
    x, y, n = aligned(a, matrix)
    shape = a.BASE_SHAPE
    size, base = torch.Size(shape).numel(), len(shape)
    units = torch.tensor([[float(i == j) for j in range(size)] for i in range(size)], dtype=y.dtype, device=y.device)
    out = _rule(a)[0](units.reshape(size, *shape), y.unsqueeze(-3)).movedim(-base - 1, -1)
    # The derivative does not depend on the value, but takes its batch shape.
    batch = torch.broadcast_shapes(x.shape[: x.ndim - base], y.shape[:-2])
    return Tensor(out.reshape(*out.shape[:-1], *shape).expand(*batch, *shape, *shape), 2 * base, n)


def _congruence(a: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    return r @ a @ r.transpose(-2, -1)


def _dcongruence(a: torch.Tensor, r: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    return d @ a @ r.transpose(-2, -1) + r @ a @ d.transpose(-2, -1)


def _rotate_ssr4(c: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    return _congruence(c, _mandel_rotation(r))


def _drotate_ssr4(c: torch.Tensor, r: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    # The Mandel rotation is quadratic in R, hence its central difference is its derivative.
    dq = (_mandel_rotation(r + d) - _mandel_rotation(r - d)) / 2.0
    return _dcongruence(c, _mandel_rotation(r), dq)


def _matvec(m: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (m @ v.unsqueeze(-1)).select(-1, 0)


_Rule = Callable[..., torch.Tensor]
# (rotated storage, its derivative in a direction of the matrix)
_RULES: dict[type, tuple[_Rule, _Rule]] = {
    SR2: (
        lambda a, r: sym_data(_congruence(full_from_mandel_data(a), r)),
        lambda a, r, d: sym_data(_dcongruence(full_from_mandel_data(a), r, d)),
    ),
    WR2: (
        lambda a, r: skew_data(_congruence(full_from_axial_data(a), r)),
        lambda a, r, d: skew_data(_dcongruence(full_from_axial_data(a), r, d)),
    ),
    R2: (_congruence, _dcongruence),
    Vec: (lambda v, r: _matvec(r, v), lambda v, r, d: _matvec(d, v)),
    SSR4: (_rotate_ssr4, _drotate_ssr4),
}


def _rule(a: Any) -> tuple[_Rule, _Rule]:
    try:
        return _RULES[type(a)]
    except KeyError:
        names = ", ".join(t.__name__ for t in _RULES)
        raise TypeError(f"cannot rotate a {type(a).__name__}; rotate takes {names}") from None


def _matrix_of(r: Any) -> R2:
    if r.__class__ is R2:
        return r
    if r.__class__ is MRP:
        return euler_rodrigues(r)
    raise TypeError(f"a rotation is an R2 or an MRP, not {type(r).__name__}")


def _mandel_rotation(r: torch.Tensor) -> torch.Tensor:
    """``(..., 6, 6)`` matrix that rotates Mandel storage, of ``(..., 3, 3)``."""
    rows = [r.select(-2, i) for i in range(3)]
    pairs = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    return torch.stack([_mandel_row(rows[i], rows[j], i == j) for i, j in pairs], -2)


def _mandel_row(u: torch.Tensor, v: torch.Tensor, normal: bool) -> torch.Tensor:
    """Mandel storage of the symmetric dyad of two rows, weighted as a normal or a shear pair."""
    u0, u1, u2 = (u.select(-1, i) for i in range(3))
    v0, v1, v2 = (v.select(-1, i) for i in range(3))
    shear = torch.stack([u1 * v2 + u2 * v1, u0 * v2 + u2 * v0, u0 * v1 + u1 * v0], -1)
    if normal:
        return torch.cat([u * v, shear * sqrt(0.5)], -1)
    return torch.cat([u * v * sqrt(2.0), shear], -1)


def _eye(like: torch.Tensor) -> torch.Tensor:
    rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


# Quaternions and distances ------------------------------------------------------------------------


def to_quaternion(r: MRP) -> Quaternion:
    """Unit quaternion of the same rotation."""
    square = dot_data(r.data, r.data).unsqueeze(-1)
    return Quaternion._wrap(torch.cat([1.0 - square, 2.0 * r.data], -1) / (1.0 + square), r.sub_batch_ndim)


def quaternion_rotation_matrix(q: Quaternion) -> R2:
    """Rotation matrix of a unit quaternion."""
    w, v = q.data[..., :1], q.data[..., 1:]
    dyad = (2.0 * v).unsqueeze(-1) * v.unsqueeze(-2)
    diagonal = (1.0 - 2.0 * dot_data(v, v)).unsqueeze(-1).unsqueeze(-1) * _eye(v)
    return R2._wrap(diagonal + dyad + full_from_axial_data(2.0 * w * v), q.sub_batch_ndim)


def quaternion_dist(q1: Quaternion, q2: Quaternion) -> Scalar:
    """Angle of the rotation between two unit quaternions, in [0, pi]."""
    x, y, n = aligned(q1, q2)
    cosine = torch.abs(dot_data(x, y))
    # The inverse functions have infinite slopes at the ends of their range; there the distance is constant.
    end = cosine >= 1.0
    return Scalar._wrap(torch.where(end, 0.0, 2.0 * torch.acos(torch.where(end, 0.0, cosine))), n)


def gdist(a: MRP, b: MRP) -> Scalar:
    """Geodesic distance of two parameter vectors, in [0, 2 pi]; it tells an orientation from its shadow."""
    x, y, n = aligned(a, b)
    d = x - y
    return Scalar._wrap(_arc(dot_data(d, d), x, y), n)


def dist(a: MRP, b: MRP) -> Scalar:
    """Angle of the rotation between two orientations, in [0, pi]: the least `gdist` over both and their
    shadows.

    The distance of a to the shadow of b is written with a and b themselves, hence finite at the identity.
    """
    x, y, n = aligned(a, b)
    d = x - y
    to_shadow = 1.0 + 2.0 * dot_data(x, y) + dot_data(x, x) * dot_data(y, y)
    return Scalar._wrap(torch.minimum(_arc(dot_data(d, d), x, y), _arc(to_shadow, x, y)), n)


def _arc(square: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    ratio = square / ((1.0 + dot_data(x, x)) * (1.0 + dot_data(y, y)))
    zero = ratio <= 0.0
    chord = torch.where(zero, 0.0, torch.sqrt(torch.where(zero, 1.0, ratio)))
    full = chord >= 1.0
    return torch.where(full, 2.0 * pi, 4.0 * torch.asin(torch.where(full, 0.0, chord)))


def dV(r: MRP) -> Scalar:
    """Volume element of the orientation space, ``8/pi (1 + r.r)^-3``."""
    base = 1.0 + dot_data(r.data, r.data)
    return Scalar._wrap((8.0 / pi) / (base * base * base), r.sub_batch_ndim)

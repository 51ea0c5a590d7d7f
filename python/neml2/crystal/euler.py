# SPDX-License-Identifier: MIT
"""Euler angles of orientations.

An orientation is the rotation R from crystal to laboratory axes, v_lab = R v_crystal. With Bunge's angles it is
R = Rz(phi1) Rx(Phi) Rz(phi2), the transpose of Bunge's own matrix g. The other conventions differ by constants (U. F.
Kocks, C. N. Tome, H.-R. Wenk, Texture and Anisotropy, Cambridge 1998, table 2-1):

    Roe     (Psi, Theta, Phi):  Psi = phi1 - pi/2, Theta = Phi, Phi_Roe = phi2 + pi/2
    Kocks   (Psi, Theta, phi):  Psi = phi1 - pi/2, Theta = Phi, phi     = pi/2 - phi2
"""

from __future__ import annotations

from math import pi

import torch

from ..types import MRP, Quaternion, to_quaternion

CONVENTIONS = ("bunge", "roe", "kocks")


def quaternion_from_euler(angles: torch.Tensor, convention: str = "bunge", degrees: bool = False) -> Quaternion:
    """Unit quaternions of Euler angles (..., 3)."""
    first, middle, last = _angles(angles, degrees).unbind(-1)
    if _checked(convention) != "bunge":
        first = first + pi / 2
        last = last - pi / 2 if convention == "roe" else pi / 2 - last
    half, total, difference = middle / 2, (first + last) / 2, (first - last) / 2
    parts = [half.cos() * total.cos(), half.sin() * difference.cos(), half.sin() * difference.sin()]
    return Quaternion(torch.stack([*parts, half.cos() * total.sin()], -1))


def from_euler(angles: torch.Tensor, convention: str = "bunge", degrees: bool = False) -> MRP:
    """Orientations of Euler angles (..., 3)."""
    return MRP.from_quaternion(quaternion_from_euler(angles, convention, degrees))


def to_euler(orientation: MRP | Quaternion, convention: str = "bunge", degrees: bool = False) -> torch.Tensor:
    """Euler angles (..., 3): the middle one in [0, pi], the others in [0, 2 pi).

    Where the middle one is 0 or pi only the sum or the difference of the others has a meaning; Bunge's phi2 is 0 then.
    """
    q = orientation if isinstance(orientation, Quaternion) else to_quaternion(orientation)
    w, x, y, z = q.data.unbind(-1)
    sine, cosine = torch.hypot(x, y), torch.hypot(w, z)
    tiny = 4 * torch.finfo(w.dtype).eps
    total, difference = torch.atan2(z, w), torch.atan2(y, x)
    difference = torch.where(sine <= tiny, total, difference)
    total = torch.where(cosine <= tiny, difference, total)
    first, middle, last = total + difference, 2 * torch.atan2(sine, cosine), total - difference
    if _checked(convention) != "bunge":
        first = first - pi / 2
        last = last + pi / 2 if convention == "roe" else pi / 2 - last
    angles = torch.stack([_positive(first), middle, _positive(last)], -1)
    return angles * (180 / pi) if degrees else angles


def _positive(angle: torch.Tensor) -> torch.Tensor:
    """In [0, 2 pi)."""
    reduced = torch.remainder(angle, 2 * pi)
    return torch.where(reduced >= 2 * pi, 0.0, reduced)


def _angles(angles: torch.Tensor, degrees: bool) -> torch.Tensor:
    angles = torch.as_tensor(angles, dtype=torch.float64)
    if angles.ndim == 0 or angles.shape[-1] != 3:
        raise ValueError(f"Euler angles must have shape (..., 3), got {tuple(angles.shape)}")
    return angles * (pi / 180) if degrees else angles


def _checked(convention: str) -> str:
    if convention not in CONVENTIONS:
        raise ValueError(f"'{convention}' is no convention; these are: {', '.join(CONVENTIONS)}")
    return convention

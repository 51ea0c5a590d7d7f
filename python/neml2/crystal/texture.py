# SPDX-License-Identifier: MIT
"""Sets of orientations without preference."""

from __future__ import annotations

from math import pi, sqrt

import torch

from ..types import MRP, Quaternion


def random_texture(n: int, seed: int | None = None) -> MRP:
    """n independent orientations, uniform on SO(3), float64, of norm at most one."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    q = torch.randn(n, 4, dtype=torch.float64, generator=generator)
    return MRP.from_quaternion(Quaternion(q / torch.linalg.vector_norm(q, dim=-1, keepdim=True)))


def uniform_texture(n: int) -> MRP:
    """n orientations spread evenly over SO(3), always the same ones, float64, of norm at most one.

    M. Alexa, Super-Fibonacci spirals: fast, low-discrepancy sampling of SO(3), CVPR 2022.
    """
    s = torch.arange(n, dtype=torch.float64) + 0.5
    inner, outer = torch.sqrt(s / n), torch.sqrt(1 - s / n)
    alpha, beta = 2 * pi * s / sqrt(2.0), 2 * pi * s / 1.533751168755204288118041
    q = torch.stack([inner * alpha.sin(), inner * alpha.cos(), outer * beta.sin(), outer * beta.cos()], -1)
    return MRP.from_quaternion(Quaternion(q))

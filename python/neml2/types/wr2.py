# SPDX-License-Identifier: MIT
"""Skew-symmetric second-order tensors."""

from __future__ import annotations

from typing import Any

import torch

from ._wrapper import PrimitiveTensor


class WR2(PrimitiveTensor):
    """Skew tensor ``[[0, -w2, w1], [w2, 0, -w0], [-w1, w0, 0]]`` stored as ``[w0, w1, w2]``."""

    __slots__ = ()
    BASE_SHAPE = (3,)

    @classmethod
    def identity(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> WR2:
        """Zero, the generator of no rotation."""
        return cls.zeros(dtype=dtype, device=device)

# SPDX-License-Identifier: MIT
"""Quaternions."""

from __future__ import annotations

from typing import Any

import torch

from ._wrapper import PrimitiveTensor


class Quaternion(PrimitiveTensor):
    """Components ``(w, x, y, z)``; a unit quaternion stands for a rotation."""

    __slots__ = ()
    BASE_SHAPE = (4,)

    @classmethod
    def identity(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> Quaternion:
        """No rotation, ``(1, 0, 0, 0)``."""
        return cls._wrap(torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=dtype, device=device))

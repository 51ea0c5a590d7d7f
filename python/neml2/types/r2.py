# SPDX-License-Identifier: MIT
"""Second-order tensors."""

from __future__ import annotations

from typing import Any

import torch

from ._align import aligned
from ._wrapper import PrimitiveTensor
from .vec import Vec


class R2(PrimitiveTensor):
    """Full second-order tensor, row-major ``(3, 3)``."""

    __slots__ = ()
    BASE_SHAPE = (3, 3)

    @classmethod
    def identity(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> R2:
        """Unit tensor."""
        return cls._wrap(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=dtype, device=device))

    def __matmul__(self, other: Any) -> Any:
        """``R2 @ R2`` and ``R2 @ Vec``."""
        if other.__class__ is R2:
            x, y, n = aligned(self, other)
            return R2._wrap(x @ y, n)
        if other.__class__ is Vec:
            x, y, n = aligned(self, other)
            return Vec._wrap((x @ y.unsqueeze(-1)).select(-1, 0), n)
        return NotImplemented

# SPDX-License-Identifier: MIT
"""Fourth-order tensors with both minor symmetries."""

from __future__ import annotations

from typing import Any

import torch

from ._align import aligned
from ._wrapper import PrimitiveTensor
from .sr2 import SR2


class SSR4(PrimitiveTensor):
    """Minor-symmetric fourth-order tensor, ``(6, 6)`` in Mandel weights: C:A is ``C @ A``."""

    __slots__ = ()
    BASE_SHAPE = (6, 6)

    @classmethod
    def _blocks(cls, diagonal: float, off: float, shear: float, dtype: torch.dtype | None, device: Any) -> SSR4:
        """Cubic pattern: two values in the normal block, one on the shear diagonal."""
        rows = [
            [(diagonal if i == j else off) if i < 3 and j < 3 else (shear if i == j else 0.0) for j in range(6)]
            for i in range(6)
        ]
        return cls._wrap(torch.tensor(rows, dtype=dtype, device=device))

    @classmethod
    def identity(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SSR4:
        """``delta_ij delta_kl``, which maps A to tr(A) I."""
        return cls._blocks(1.0, 1.0, 0.0, dtype, device)

    @classmethod
    def identity_sym(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SSR4:
        """Maps A to itself: the 6x6 unit matrix."""
        return cls._blocks(1.0, 0.0, 1.0, dtype, device)

    @classmethod
    def identity_vol(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SSR4:
        """Maps A to its volumetric part."""
        return cls._blocks(1.0 / 3.0, 1.0 / 3.0, 0.0, dtype, device)

    @classmethod
    def identity_dev(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SSR4:
        """Maps A to its deviatoric part."""
        return cls._blocks(1.0 - 1.0 / 3.0, -1.0 / 3.0, 1.0, dtype, device)

    @classmethod
    def identity_C1(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SSR4:
        """Unit diagonal of the normal block."""
        return cls._blocks(1.0, 0.0, 0.0, dtype, device)

    @classmethod
    def identity_C2(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SSR4:
        """Ones off the diagonal of the normal block."""
        return cls._blocks(0.0, 1.0, 0.0, dtype, device)

    @classmethod
    def identity_C3(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SSR4:
        """Unit diagonal of the shear block."""
        return cls._blocks(0.0, 0.0, 1.0, dtype, device)

    def __matmul__(self, other: Any) -> Any:
        """``SSR4 @ SR2`` and ``SSR4 @ SSR4``."""
        if other.__class__ is SR2:
            x, y, n = aligned(self, other)
            return SR2._wrap((x @ y.unsqueeze(-1)).select(-1, 0), n)
        if other.__class__ is SSR4:
            x, y, n = aligned(self, other)
            return SSR4._wrap(x @ y, n)
        return NotImplemented

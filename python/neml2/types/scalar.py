# SPDX-License-Identifier: MIT
"""Scalar values."""

from __future__ import annotations

from typing import Any

import torch

from . import functions
from ._wrapper import PrimitiveTensor, TensorWrapper


class Scalar(PrimitiveTensor):
    """One number per point. Constructors default to float64."""

    __slots__ = ()
    BASE_SHAPE = ()
    is_scalar = True

    @classmethod
    def _default_dtype(cls) -> torch.dtype:
        return torch.float64

    @classmethod
    def arange(cls, *args: float, dtype: torch.dtype | None = None, device: Any = None) -> Scalar:
        """``arange(end)``, ``arange(start, end)`` or ``arange(start, end, step)``; one dynamic batch axis."""
        return cls._wrap(torch.arange(*args, dtype=dtype or torch.float64, device=device))

    def __rtruediv__(self, other: Any) -> Scalar:
        if isinstance(other, (int, float)) or (isinstance(other, torch.Tensor) and other.ndim == 0):
            return self._make(other / self.data, self.sub_batch_ndim)
        return NotImplemented

    def __pow__(self, other: Any) -> Scalar:
        if isinstance(other, TensorWrapper) and not other.is_scalar:
            return NotImplemented
        return functions.pow(self, other)

    def __rpow__(self, other: Any) -> Scalar:
        if isinstance(other, (int, float)):
            return self._make(torch.pow(other, self.data), self.sub_batch_ndim)
        return NotImplemented

    def __gt__(self, other: Any) -> Scalar:
        return functions.gt(self, other)

    def __lt__(self, other: Any) -> Scalar:
        return functions.lt(self, other)

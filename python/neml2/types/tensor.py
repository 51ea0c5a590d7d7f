# SPDX-License-Identifier: MIT
"""A value whose base rank is decided at run time."""

from __future__ import annotations

from typing import Any

import torch

from ._wrapper import TensorWrapper
from .scalar import Scalar


class Tensor(TensorWrapper):
    """Tensor with `base_ndim` trailing base axes of any size, for results no other type describes.

    Two of them combine when their base ranks are equal.
    """

    __slots__ = ("base_ndim",)

    base_ndim: int

    def __init__(self, data: Any, base_ndim: int | None = None, sub_batch_ndim: int | None = None) -> None:
        if isinstance(data, TensorWrapper):
            base_ndim = data.base_ndim if base_ndim is None else base_ndim
            sub_batch_ndim = data.sub_batch_ndim if sub_batch_ndim is None else sub_batch_ndim
            data = data.data
        elif not isinstance(data, torch.Tensor):
            data = torch.as_tensor(data, dtype=torch.float64)
        self.data = data
        self.base_ndim = base_ndim or 0
        self.sub_batch_ndim = sub_batch_ndim or 0
        if self.base_ndim + self.sub_batch_ndim > data.ndim:
            raise ValueError(
                f"Tensor of shape {tuple(data.shape)} is too small for base_ndim={self.base_ndim} and "
                f"sub_batch_ndim={self.sub_batch_ndim}"
            )

    def _make(self, data: torch.Tensor, sub_batch_ndim: int) -> Tensor:
        return self._from_context(data, (sub_batch_ndim, self.base_ndim))

    def _context(self) -> Any:
        return (self.sub_batch_ndim, self.base_ndim)

    @classmethod
    def _from_context(cls, data: Any, context: Any) -> Tensor:
        out = cls._wrap(data, context[0])
        out.base_ndim = context[1]
        return out


def of_rank(data: torch.Tensor, base_ndim: int, sub_batch_ndim: int) -> Scalar | Tensor:
    """A Scalar where no base axes are left, a Tensor otherwise."""
    return Tensor(data, base_ndim, sub_batch_ndim) if base_ndim else Scalar._wrap(data, sub_batch_ndim)


TensorWrapper._of_rank = staticmethod(of_rank)

# SPDX-License-Identifier: MIT
"""Symmetric second-order tensors."""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch

from ._wrapper import PrimitiveTensor, TensorWrapper


class SR2(PrimitiveTensor):
    """Symmetric tensor in Mandel storage ``[xx, yy, zz, sqrt2 yz, sqrt2 xz, sqrt2 xy]``.

    The inner product of two storages is the double contraction of the tensors.
    """

    __slots__ = ()
    BASE_SHAPE = (6,)

    @classmethod
    def fill(cls, *components: Any, dtype: torch.dtype | None = None, device: Any = None) -> SR2:
        """From tensor components, numbers (torch's default dtype) or Scalars.

        ``fill(a)`` is a I, ``fill(a, b, c)`` is diagonal, ``fill(xx, yy, zz, yz, xz, xy)`` is general;
        shears are multiplied by sqrt2 on storage.

        Raises:
            ValueError: any other number of components.
        """
        if len(components) == 1:
            components = components * 3
        if len(components) == 3:
            components = (*components, 0.0, 0.0, 0.0)
        if len(components) != 6:
            raise ValueError(f"SR2.fill takes 1, 3 or 6 components, got {len(components)}")
        weighted = [c * sqrt(2.0) if isinstance(c, TensorWrapper) or c else c for c in components[3:]]
        return cls._from_components((*components[:3], *weighted), dtype or torch.get_default_dtype(), device)

    @classmethod
    def identity(cls, *, dtype: torch.dtype | None = None, device: Any = None) -> SR2:
        """Unit tensor ``[1, 1, 1, 0, 0, 0]``."""
        return cls._wrap(torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], dtype=dtype, device=device))

# SPDX-License-Identifier: MIT
"""Miller indices."""

from __future__ import annotations

from ._wrapper import PrimitiveTensor


class MillerIndex(PrimitiveTensor):
    """Three crystallographic indices, of integer or floating dtype."""

    __slots__ = ()
    BASE_SHAPE = (3,)

# SPDX-License-Identifier: MIT
"""Vectors."""

from __future__ import annotations

from ._wrapper import PrimitiveTensor


class Vec(PrimitiveTensor):
    """Three Cartesian components."""

    __slots__ = ()
    BASE_SHAPE = (3,)

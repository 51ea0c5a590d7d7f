# SPDX-License-Identifier: MIT
"""The regulariser of roots and divisions."""

from __future__ import annotations

import torch

from ..types import TensorWrapper


def eps(value: TensorWrapper) -> float:
    """Machine epsilon of the value's dtype."""
    return torch.finfo(value.data.dtype).eps

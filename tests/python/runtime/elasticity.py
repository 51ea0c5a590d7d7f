# SPDX-License-Identifier: MIT
"""Linear elasticity and a combination of two inputs, for the tests of the runtime."""

from __future__ import annotations

import torch

DERIVATIVES = ("-p", "E", "-d", "stress:strain", "-d", "stress:E")
COMBINATION = """\
[Models]
  [combination]
    type = SR2LinearCombination
    from = 'a b'
    to = to
    weights = '2 -3'
  []
[]
"""  # to = 2 a - 3 b


def hooke(strain: torch.Tensor, E: float = 200e3, nu: float = 0.3) -> torch.Tensor:
    """Stress (*batch, 6) of strain (*batch, 6), Mandel notation: lambda tr(strain) I + 2 mu strain."""
    identity = torch.tensor([1, 1, 1, 0, 0, 0], dtype=strain.dtype)
    trace = (strain * identity).sum(-1, keepdim=True)
    return E * nu / ((1 + nu) * (1 - 2 * nu)) * trace * identity + E / (1 + nu) * strain

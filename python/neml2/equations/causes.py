# SPDX-License-Identifier: MIT
"""Points whose residual cannot be finite, and what makes it so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .finite import lost_points
from .residual import Residual


def spoilt_points(
    residual: Residual, guess: torch.Tensor, values: Sequence[torch.Tensor], batch: torch.Size
) -> torch.Tensor | None:
    """Mask (points,) of those at which the guess or a value is not finite; None where there are none.

    A residual may drop a NaN that it is given, as a flow rate does below yield.
    """
    everything = torch.cat([guess.reshape(-1), *(value.reshape(-1) for value in values)])
    if not math.prod(batch) or bool(everything.isfinite().all()):
        return None
    spoilt = ~guess.isfinite().all(-1)
    for slot, value in zip(residual.slots, values, strict=True):
        spoilt[lost_points(value, slot.point_ndim, batch)] = True
    return spoilt


@dataclass
class Causes:
    """Asked only once some points have failed. guess: (points, n)."""

    residual: Residual
    guess: torch.Tensor
    values: Sequence[torch.Tensor]
    batch: torch.Size

    def of(self, point: int, iterations: int) -> str:
        """What is not finite among the values at a point, or which value equals that of a step earlier where the
        residual is finite as soon as it does not; else the empty string."""
        bad = self._not_finite(point)
        if bad:
            words = " and ".join(name if " " in name else f"'{name}'" for name in bad)
            return f"{words} {'is' if len(bad) == 1 else 'are'} not finite"
        index = torch.tensor([point], device=self.guess.device)
        guess, rows = self.guess[index], self.residual.rows(self.values, self.batch or torch.Size((1,)), index)
        if iterations or self._is_finite(guess, rows):
            return ""
        names = [slot.name for slot in self.residual.slots]
        for k, name in enumerate(names):
            earlier = _one_step_earlier(name)
            if earlier not in names or bool(
                (rows[k] != rows[names.index(earlier)]).any()
            ):  # one may have no batch axes
                continue
            moved = [*rows]
            moved[k] = rows[k] + 1e-3 * (1 + rows[k].abs())
            if self._is_finite(guess, moved):
                return f"'{name}' and '{earlier}' are equal"
        return ""

    def _not_finite(self, point: int) -> list[str]:
        """Names of the values that are not, with those that the guess was made of where it is not finite."""
        given = [(s.name, v, s.point_ndim) for s, v in zip(self.residual.slots, self.values, strict=True)]
        bad = [name for name, value, ndim in given if point in lost_points(value, ndim, self.batch)]
        if bool(self.guess[point].isfinite().all()):
            return bad
        made_of = [
            (n, v.data, v.data.ndim - v.batch_ndim + v.sub_batch_ndim) for n, v in self.residual.predicted.items()
        ]
        wrong = [name for name, value, ndim in made_of if point in lost_points(value.detach(), ndim, self.batch)]
        return list(dict.fromkeys([*bad, *wrong])) or ["the initial guess"]

    def _is_finite(self, guess: torch.Tensor, rows: list[torch.Tensor]) -> bool:
        return math.isfinite(float(self.residual(guess, rows).sum()))


def _one_step_earlier(name: str) -> str:
    base, _, lag = name.partition("~")
    return f"{base}~{int(lag or 0) + 1}"

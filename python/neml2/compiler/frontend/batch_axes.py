# SPDX-License-Identifier: MIT
"""Whose batch axes a value has. A graph does not show them all: the gradient of a linear function is constant, and has,
eagerly, the axes of where it was taken."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch

Key = TypeVar("Key", bound=Hashable)


def completed(
    function: Callable[..., Sequence[torch.Tensor]],
    examples: Sequence[torch.Tensor],
    given: Sequence[frozenset[Key]],
    shown: Sequence[frozenset[Key]],
    ranks: Sequence[int],
) -> list[frozenset[Key]]:
    """`shown` and what running `function` with one batched argument at a time adds to it.

    examples: arguments at one point. given: whose axes each argument has. shown: whose axes each result has by its
    graph. ranks: number of axes of each result at one point. A function that takes no batches has what its graph shows.
    """
    found = list(shown)
    for k, (example, owners) in enumerate(zip(examples, given, strict=True)):
        missing = [i for i, axes in enumerate(found) if not owners <= axes]
        if not missing:
            continue
        batched = example.expand(2, *example.shape).clone()
        try:
            with torch.no_grad():
                results = function(*examples[:k], batched, *examples[k + 1 :])
        except Exception:  # it may be a function of one point, whatever it raises
            continue
        for i in missing:
            if results[i].ndim > ranks[i]:
                found[i] |= owners
    return found

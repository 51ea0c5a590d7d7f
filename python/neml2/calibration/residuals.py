# SPDX-License-Identifier: MIT
"""Residuals of all experiments, weighted, and their derivatives, for many sets of parameters at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .experiment import Experiment, Target
from .history import Histories

Array = NDArray[Any]


MEMORY = 1 << 30
"""Bytes that histories with their derivatives may take; more sets of parameters are evaluated part after part."""


class Residuals:
    """w (model - measured), one number for each that was measured, w = sqrt(weight) / noise.

    Where no noise is given, the largest range that an experiment has of the same output stands for it.
    """

    def __init__(self, model: Any, experiments: Sequence[Experiment], parameters: Sequence[str]) -> None:
        self.targets: list[list[Target]] = [experiment.targets(model) for experiment in experiments]
        drivers = [experiment.driver(model) for experiment in experiments]
        outputs = [target.output for group in self.targets for target in group]
        self.histories = Histories(drivers, parameters, outputs)
        ranges = _ranges(self.targets)
        numbers, measured, weights, sizes = [], [], [], []
        for k, (experiment, group) in enumerate(zip(experiments, self.targets, strict=True)):
            for target in group:
                rows = [row for row in range(1, experiment.rows) if np.isfinite(target.values[row])]
                steps = map(experiment.step_of, rows)
                numbers += [(k, step, target.output, target.component, target.factor) for step in steps]
                measured += target.values[rows].tolist()
                weights += [experiment.weight**0.5 / (target.noise or ranges[target.label])] * len(rows)
                sizes.append((k, target, rows))
        self.histories.read(numbers)
        self.measured, self.weights = np.array(measured), np.array(weights)
        ends = np.cumsum([0, *(len(rows) for _, _, rows in sizes)])
        self.parts = [(k, t, rows, slice(a, b)) for (k, t, rows), a, b in zip(sizes, ends, ends[1:], strict=False)]
        """(experiment, target, rows of its table, where they stand)."""

    @property
    def size(self) -> int:
        return len(self.measured)

    @property
    def absolute(self) -> bool:
        """Whether all noise is given, so that residuals are in units of it."""
        return all(target.noise is not None for group in self.targets for target in group)

    def __call__(self, values: Array) -> tuple[Array, Array, Array]:
        """Residuals (S, size), d residuals / d values (S, size, P), and whether all experiments came to the end with
        each row of `values` (S, P)."""
        sets = torch.from_numpy(np.ascontiguousarray(values, float))
        with torch.no_grad():
            parts = [self.histories.run(part) for part in sets.split(max(1, MEMORY // self.histories.bytes_of_a_set))]
        found, slopes, whole = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
        return (found - self.measured) * self.weights, slopes * self.weights[:, None], whole


def _ranges(targets: Sequence[Sequence[Target]]) -> dict[str, float]:
    """The largest range of the values that are compared with each output; 1 where there is none."""
    found: dict[str, float] = {}
    for group in targets:
        for target in group:
            span = float(np.nanmax(target.values) - np.nanmin(target.values))
            found[target.label] = max(found.get(target.label, 0.0), span)
    return {label: span or 1.0 for label, span in found.items()}

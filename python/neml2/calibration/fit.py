# SPDX-License-Identifier: MIT
"""What a fit has found, and what is to be thought of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .gauss_newton import Outcome
from .statistics import named, uncertainty

if TYPE_CHECKING:
    from .least_squares import LeastSquares
    from .parameter import Coordinates
    from .residuals import Residuals

Array = NDArray[Any]

_SAME = 1e-3
"""Starts whose sums of squares differ by less than this part have come to the same minimum."""
_CORRELATED = 0.99


class Fit:
    """The best of all starts.

    names, labels, values: qualified names of the parameters, those of their blocks, and what was found.
    standard_errors, correlations: linearized, NaN for parameters at a bound, infinite where nothing that was measured
    depends on one. at_bound: which are there. sum_of_squares: of the weighted residuals. starts: what became of each.
    warnings: sentences for the user. predictions: what the model gives where something was measured, an array for each
    experiment and output, by `experiment` and `output`, NaN where nothing was.
    """

    def __init__(
        self, task: LeastSquares, residuals: Residuals, coordinates: Coordinates, outcomes: list[Outcome]
    ) -> None:
        self.task, self.names, self.labels = task, list(task.names), list(task.labels)
        self.starts = sorted(outcomes, key=lambda outcome: outcome.cost)
        best = self.starts[0]
        near = 1e-6 * np.where(np.isfinite(coordinates.upper - coordinates.lower), 1.0, 0.0)
        at_low, at_high = best.z - coordinates.lower <= near, coordinates.upper - best.z <= near
        z = np.where(at_low, coordinates.lower, np.where(at_high, coordinates.upper, best.z))
        self.at_bound = at_low | at_high
        self.values: Array = coordinates.values(z)
        found, slopes, _ = residuals(self.values[None])
        self.residual, self.jacobian = found[0], slopes[0]
        exact = residuals.absolute
        holding = task.limits.holding(self.values)
        self._uncertainty = uncertainty(found[0], slopes[0], self.values, self.at_bound, exact, holding)
        self.standard_errors = self._uncertainty.errors
        self.correlations = self._uncertainty.correlations
        self.sum_of_squares = float(self.residual @ self.residual)
        self.predictions = self._predictions(residuals)
        self.warnings = self._warnings()

    def _predictions(self, residuals: Residuals) -> dict[str, dict[str, Array]]:
        model = self.residual / residuals.weights + residuals.measured
        found: dict[str, dict[str, Array]] = {}
        for k, target, rows, part in residuals.parts:
            experiment = self.task.experiments[k]
            values = np.full(experiment.rows, np.nan)
            values[rows] = model[part]
            found.setdefault(experiment.name or str(k), {})[target.label] = values
        return found

    def rms(self) -> dict[tuple[str, str], float]:
        """The root mean square of model minus measured by experiment and output, in its own unit."""
        found = {}
        for k, experiment in enumerate(self.task.experiments):
            name = experiment.name or str(k)
            for target in experiment.targets(self.task.model):
                difference = self.predictions[name][target.label] - target.values
                found[name, target.label] = float(np.sqrt(np.nanmean(difference**2)))
        return found

    @property
    def agreeing(self) -> int:
        """How many starts have come to the same minimum."""
        least = self.starts[0].cost
        return sum(outcome.cost <= least * (1 + _SAME) + 1e-300 for outcome in self.starts)

    def _warnings(self) -> list[str]:
        found = []
        status = self.starts[0].status
        if status != "converged":
            words = {"iterations": "'max_its' steps were not enough", "infeasible": "no step satisfies the constraints"}
            found.append(f"the best start has not converged: {words.get(status, 'no step makes it better')}")
        for k in np.flatnonzero(self.at_bound):
            found.append(f"{self.labels[k]} is at its bound {self.values[k]:.6g}, which holds it")
        directions = zip(self._uncertainty.flat, self._uncertainty.loose, strict=True)
        flat = set()
        for direction, width in sorted(directions, key=lambda pair: -pair[1]):
            moved = np.flatnonzero(np.abs(direction) >= 0.1 * np.abs(direction).max())
            flat.update(moved.tolist())
            words = named(direction, self.labels, self.values)
            if len(moved) == 1 and np.isinf(width):
                found.append(f"nothing that was measured depends on {self.labels[moved[0]]}; leave it out")
            elif np.isinf(width):
                found.append(f"flat direction: {words} together change nothing that was measured; fix one of them")
            else:
                far = f"a factor of {np.exp(width):.2g}" if width < 5 else "them"
                found.append(f"flat direction: {words} together; the data leave {far} open")
        rho = np.abs(np.nan_to_num(np.triu(self.correlations, 1)))
        for i, j in zip(*np.nonzero(rho > _CORRELATED), strict=True):
            if i not in flat or j not in flat:
                pair = f"{self.labels[i]} and {self.labels[j]}"
                found.append(f"{pair} are known together rather than apart: correlation {self.correlations[i, j]:.4f}")
        if len(self.starts) > 1 and self.agreeing == 1:
            found.append(f"only one of {len(self.starts)} starts has come to this minimum; there may be lower ones")
        return found

    # -- what to do with it ------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Give the model the values that were found."""
        import torch

        parameters = dict(self.task.model.named_parameters())
        with torch.no_grad():
            for name, value in zip(self.names, self.values, strict=True):
                parameters[name].fill_(float(value))

    def save(self, path: str | Path) -> Path:
        """Write the input file with the values that were found, beside the one it was read from or elsewhere."""
        from .fitted import write

        return write(self, Path(path))

    def report(self) -> str:
        """Values, standard errors, correlations, residuals and warnings, as text."""
        width = max(9, *map(len, self.labels))
        lines = [f"{'parameter':<{width}} {'value':>13} {'std. error':>11} {'':>8} {'initial':>12}"]
        for k, name in enumerate(self.labels):
            error = self.standard_errors[k]
            relative = f"{100 * error / abs(self.values[k]):.2g}%" if np.isfinite(error) and self.values[k] else ""
            text = "at bound" if self.at_bound[k] else "unknown" if np.isinf(error) else f"{error:.3g}"
            numbers = f"{self.values[k]:>13.6g} {text:>11} {relative:>8} {self.task.initial[k]:>12.6g}"
            lines.append(f"{name:<{width}} {numbers}  {self.names[k]}")
        lines += ["", *self._correlation_lines(max(width, 12))]
        rms = self.rms()
        width = max(len(f"{e} {o}") for e, o in rms)
        lines.append(f"{'experiment':<{width}}  rms of model - measured")
        lines += [f"{f'{e} {o}':<{width}}  {value:.4g}" for (e, o), value in rms.items()]
        lines += ["", f"sum of squares {self.sum_of_squares:.6g} of {len(self.residual)} residuals"]
        if len(self.starts) > 1:
            lines.append(f"{self.agreeing} of {len(self.starts)} starts came to this minimum")
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)

    def _correlation_lines(self, width: int) -> list[str]:
        if len(self.labels) == 1:
            return []
        lines = [f"{'correlations':<{width}} " + " ".join(f"{k + 1:>6}" for k in range(len(self.labels) - 1))]
        for i, name in enumerate(self.labels):
            row = (self.correlations[i, j] for j in range(i))
            lines.append(f"{name:<{width}} " + " ".join("     -" if np.isnan(c) else f"{c:>6.2f}" for c in row))
        return [*(line.rstrip() for line in lines), ""]

    def __repr__(self) -> str:
        pairs = zip(self.names, self.values, strict=True)
        return f"<Fit {', '.join(f'{name} = {value:.6g}' for name, value in pairs)}>"

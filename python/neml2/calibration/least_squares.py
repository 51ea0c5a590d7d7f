# SPDX-License-Identifier: MIT
"""The fit of a model's parameters to experiments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..hit import HitObject, Option, Reference, register
from . import constraints
from .experiment import Experiment
from .fit import Fit
from .gauss_newton import FAILED, GaussNewton, Outcome
from .parameter import Coordinates, FitParameter
from .residuals import Residuals

Array = NDArray[Any]
Told = Callable[[int, float, int], None]
"""Called after each iteration with its number, the least sum of squares, halved, and how many starts go on."""


@register("LeastSquares")
class LeastSquares(HitObject):
    """Fits parameters of a model to experiments: the least sum of squared, weighted residuals.

    `model`: what is fitted; compiled for this CPU, with derivatives, and kept for later fits. `parameters`,
    `experiments`: blocks of [Calibration].
    `constraints`: linear ones besides the bounds, by the names of the parameters' blocks (with `_0`, `_1`, ... where
    one means several), separated by semicolons, e.g. `C1 >= 2*C2; g1 + g2 <= 500`.
    `starts`: how many fits are made, as one batch: the first from the initial values, the others from random ones
    between the bounds. `seed`: of these.
    `method`: `gauss_newton`, steps by quadratic programs (needs PIQP); or `scipy`, its least_squares, one start after
    the other and without constraints.
    `tolerance`: a start ends when its next step would lower the sum of squares by less than this part of it. `max_its`:
    at most so many steps of each start. Steps to values at which the model does not converge are made shorter.
    """

    SECTION = "Calibration"

    model: Any = Reference("Models")
    parameters: list[FitParameter] = Reference("Calibration", many=True, unique=True)
    experiments: list[Experiment] = Reference("Calibration", many=True, unique=True)
    constraints: str = Option(str, "")
    starts: int = Option(int, 1, at_least=1)
    seed: int = Option(int, 0, at_least=0)
    method: str = Option(str, "gauss_newton", choices=("gauss_newton", "scipy"))
    tolerance: float = Option(float, 1e-8, above=0.0)
    max_its: int = Option(int, 200, at_least=1)

    def setup(self) -> None:
        for option, T in (("parameters", FitParameter), ("experiments", Experiment)):
            items = getattr(self, option)
            if not items:
                raise self.error(f"none are given; expected blocks of type {T.__name__}", option)
            for item in items:
                if not isinstance(item, T):
                    text = f"[Calibration/{item.name}] is a {type(item).__name__}; expected a {T.__name__}"
                    raise self.error(text, option)
        known = dict(self.model.named_parameters()) if hasattr(self.model, "named_parameters") else {}
        meant = [(parameter, parameter.qualified(known)) for parameter in self.parameters]
        self.names = [name for _, names in meant for name in names]
        self.fitted = [parameter for parameter, names in meant for _ in names]
        for name, parameter in zip(self.names, self.fitted, strict=True):
            if self.names.count(name) > 1:
                raise self.error(f"'{name}' is fitted twice", "parameters")
            if self.starts > 1 and not parameter.bounded:
                text = f"{self.starts} starts begin between bounds, and '{parameter.name}' has not both of them"
                raise self.error(f"{text}; give 'lower' and 'upper'", "starts")
        first = [p.initial if p.initial is not None else known[n].item() for p, names in meant for n in names]
        self.initial = np.array(first)
        for value, parameter in zip(first, self.fitted, strict=True):
            parameter.check(value)
        self.labels = [
            (p.name or name) if len(names) == 1 else f"{p.name}_{k}"
            for p, names in meant
            for k, name in enumerate(names)
        ]
        try:
            self.limits = constraints.parse(self.constraints, self.labels)
        except ValueError as error:
            raise self.error(str(error), "constraints") from None
        if self.method == "scipy" and self.constraints:
            raise self.error("scipy's least_squares takes no constraints; expected method = gauss_newton", "method")

    def run(self, told: Told = lambda *_: None) -> Fit:
        """The fit from all starts. The model keeps the values it had; `Fit.apply` gives it the new ones.

        Raises CaptureError, CompileError, BuildError where the model cannot be compiled; MissingPIQP; RuntimeError
        where it can be evaluated at no start.
        """
        residuals = Residuals(self.model, self.experiments, self.names)
        coordinates = Coordinates(self.fitted, self.initial)
        solve = _by_scipy if self.method == "scipy" else _by_steps
        outcomes = solve(self, residuals, coordinates, self._first(coordinates), told)
        best = min(outcomes, key=lambda outcome: outcome.cost)
        if best.status == FAILED or not np.isfinite(best.cost):
            where = ", ".join(f"{n} = {v:g}" for n, v in zip(self.labels, self.initial, strict=True))
            raise RuntimeError(
                f"{self.where()}: the model converges at none of {len(outcomes)} starts, the first being {where}; "
                f"give other initial values, narrower bounds or more 'substeps' ({residuals.histories.trouble})"
            )
        return Fit(self, residuals, coordinates, outcomes)

    def _first(self, coordinates: Coordinates) -> Array:
        """Where the starts begin: random numbers, of which each parameter gets one from each of as many equal parts of
        its range (a Latin hypercube)."""
        random = np.random.default_rng(self.seed)
        count = self.starts - 1
        parts = np.stack([random.permutation(count) for _ in self.names], -1)
        return np.vstack([coordinates.of(self.initial), (parts + random.random(parts.shape)) / max(count, 1)])


def _by_steps(fit: LeastSquares, residuals: Residuals, c: Coordinates, z: Array, told: Told) -> list[Outcome]:
    return GaussNewton(residuals, c, fit.limits, fit.tolerance, fit.max_its).minimize(z, told)


def _by_scipy(fit: LeastSquares, residuals: Residuals, c: Coordinates, z: Array, told: Told) -> list[Outcome]:
    try:
        from scipy.optimize import least_squares
    except ImportError:
        raise ImportError("method = 'scipy' needs scipy: pip install scipy") from None
    found: list[Outcome] = []
    for k, start in enumerate(z):
        last: dict[str, Array] = {}

        def evaluate(at: Array, last: dict[str, Array] = last) -> Array:
            residual, slopes, _ = residuals(c.values(at)[None])
            last["jacobian"] = slopes[0] * c.slopes(at)
            return residual[0]

        if not np.isfinite(evaluate(start)).all():
            found.append(Outcome(start, np.inf, 0, FAILED))
            continue
        # a point on a bound is no start for scipy, and values that are not finite are steps that it refuses
        inside = np.clip(start, c.lower + 1e-9, c.upper - 1e-9)
        jacobian = lambda at: evaluate(at) is not None and last["jacobian"]  # noqa: B023, E731
        options = {"bounds": (c.lower, c.upper), "ftol": fit.tolerance, "xtol": 1e-12, "gtol": None}
        done = least_squares(evaluate, inside, jacobian, max_nfev=fit.max_its, **options)
        found.append(Outcome(done.x, float(done.cost), int(done.nfev), "converged" if done.success else "iterations"))
        told(k + 1, min(outcome.cost for outcome in found), len(z) - k - 1)
    return found

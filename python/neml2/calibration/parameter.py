# SPDX-License-Identifier: MIT
"""A parameter that is looked for: bounds, and the coordinate in which it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiler.frontend.rename import ends_with, tails
from ..errors import listing, suggestion
from ..hit import HitObject, Option, register

Array = NDArray[Any]


@register("FitParameter")
class FitParameter(HitObject):
    """A parameter of the model that is fitted.

    `parameter`: its qualified name, of which the end behind a dot is enough where only one parameter ends so, as in
    `neml2-run -p`; with a `*`, as `network.w_*`, all parameters that it matches, each by itself; default: the block's
    name.
    `lower`, `upper`: bounds, which values never leave; needed for random starts.
    `initial`: where the first start begins; default: the value in the input file.
    `transform`: `linear`, or `log` for what is positive and known to an order of magnitude: steps, and random starts,
    are then in its logarithm.
    """

    SECTION = "Calibration"

    parameter: str = Option(str, "")
    lower: float | None = Option(float, None)
    upper: float | None = Option(float, None)
    initial: float | None = Option(float, None)
    transform: str = Option(str, "linear", choices=("linear", "log"))

    def setup(self) -> None:
        low, high = self.lower, self.upper
        if low is not None and high is not None and not low < high:
            raise self.error(f"bounds {low:g} and {high:g} leave no room; expected lower < upper", "upper")
        for option in ("lower", "upper", "initial") if self.transform == "log" else ():
            value = getattr(self, option)
            if value is not None and value <= 0:
                raise self.error(f"{value:g} has no logarithm; expected more than 0", option)
        if self.initial is not None:
            self.check(self.initial, "initial")

    @property
    def bounded(self) -> bool:
        return self.lower is not None and self.upper is not None

    def check(self, value: float, option: str = "") -> None:
        """Raises InvalidOption for a first value that lies outside, or that the transformation does not take."""
        if not math.isfinite(value) or (self.transform == "log" and value <= 0):
            raise self.error(f"starts from {value:g}, which has no logarithm; give 'initial'", option)
        if (self.lower is not None and value < self.lower) or (self.upper is not None and value > self.upper):
            low = "-inf" if self.lower is None else f"{self.lower:g}"
            high = "inf" if self.upper is None else f"{self.upper:g}"
            raise self.error(f"starts from {value:g}, outside its bounds {low} and {high}; give 'initial'", option)

    def qualified(self, parameters: Mapping[str, Any]) -> list[str]:
        """The names of the parameters that are meant. Raises InvalidOption."""
        name = self.parameter or self.name
        option = "parameter" if self.parameter else ""
        several = "*" in name
        if several:
            meant = [full for full in parameters if any(fnmatchcase(tail, name) for tail in tails([full]))]
        else:
            meant = ends_with(name, list(parameters))
        if len(meant) > 1 and not several:
            raise self.error(f"'{name}' can be any of {listing(meant)}; give more of the name", option)
        if not meant:
            near = suggestion(name, tails(list(parameters))) or f"; there are: {listing(parameters)}"
            raise self.error(f"'{name}' is no parameter of the model{near}", option)
        for full in meant:
            if (size := parameters[full].numel()) != 1:
                raise self.error(f"'{full}' has {size} components; what is fitted is one number", option)
        return meant


class Coordinates:
    """Coordinates in which all parameters have a size of about 1: with both bounds, from 0 to 1 between them."""

    def __init__(self, parameters: list[FitParameter], initial: Array) -> None:
        self._log = np.array([p.transform == "log" for p in parameters])
        low = np.array([-np.inf if p.lower is None else p.lower for p in parameters])
        high = np.array([np.inf if p.upper is None else p.upper for p in parameters])
        low = np.where(self._log, np.maximum(low, 0.0), low)
        first = self._forward(np.asarray(initial, float))
        bottom, top = self._forward(low), self._forward(high)
        both = np.isfinite(bottom) & np.isfinite(top)
        size = np.where(self._log | (first == 0), 1.0, np.abs(first))
        self._offset = np.where(both, bottom, first)
        self._scale = np.where(both, top - bottom, size)
        self.low, self.high = low, high
        self.lower, self.upper = (bottom - self._offset) / self._scale, (top - self._offset) / self._scale

    def _forward(self, values: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self._log, np.log(np.where(self._log, values, 1.0)), values)

    def of(self, values: Array) -> Array:
        """Coordinates of values, (..., parameters)."""
        return (self._forward(values) - self._offset) / self._scale

    def values(self, z: Array) -> Array:
        """Values, within the bounds to the last digit, and on them where z is."""
        plain = self._offset + self._scale * z
        found = np.clip(np.where(self._log, np.exp(np.where(self._log, plain, 0.0)), plain), self.low, self.high)
        return np.where(z <= self.lower, self.low, np.where(z >= self.upper, self.high, found))

    def slopes(self, z: Array) -> Array:
        """d values / d z, (..., parameters)."""
        return self._scale * np.where(self._log, self.values(z), 1.0)

# SPDX-License-Identifier: MIT
"""Histories of several experiments and sets of parameters side by side, with their derivatives by the parameters.

At each step an output y is y(y~1, ..., parameters); with the blocks A_k = dy/d(y~k) and B = dy/d(parameters) of the
compiled model, its derivative is carried along as S = B + sum_k A_k S~k. Nothing but the last steps is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from ..drivers.compiled import sub_batch_shapes
from ..drivers.transient import TransientDriver
from ..drivers.values import with_declared_sub_batch
from ..hit import base_name, lag


@dataclass(frozen=True)
class Reading:
    """What is read at one step: for each number the experiment, the flat component among all outputs, the factor that
    it is multiplied with, and its position in the result."""

    experiment: torch.Tensor
    component: torch.Tensor
    factor: torch.Tensor
    position: torch.Tensor


class Histories:
    """The runs of `drivers`, all of one model, with derivatives by its `parameters` (qualified names of numbers).

    outputs: names of those that are read, besides what is carried from step to step.

    For E experiments, S sets of P parameters, n components of outputs and m that are carried, the doubles held are
    about E S n (3 m + 7 P), whatever the number of steps, and S P for each number that is read.
    Raises CaptureError, CompileError and BuildError for models that cannot be compiled.
    """

    def __init__(
        self, drivers: Sequence[TransientDriver], parameters: Sequence[str], outputs: Sequence[str] = ()
    ) -> None:
        from ..compiler import kept

        model = drivers[0].model
        self.parameters = list(parameters)
        lagged = [name for name in model.input_spec if lag(name) and base_name(name) in model.output_spec]
        carried = dict.fromkeys(map(base_name, lagged))
        self.outputs = [*carried, *(name for name in dict.fromkeys(outputs) if name not in carried)]
        pairs = [(output, given) for output in self.outputs for given in (*lagged, *parameters)]
        sub_batch: dict[str, tuple[int, ...]] = {}
        for driver in drivers:
            sub_batch.update(sub_batch_shapes(driver))
        self.compiled = kept.load(model, sub_batch, "float64", pairs, ("jacobian",)).model
        shapes = self.compiled.output_base_shapes
        self._rows = _spans({name: tuple(shapes[name]) for name in self.outputs})
        self._columns = _spans({name: tuple(shapes[base_name(name)]) for name in lagged})
        self._lags = {name: lag(name) for name in lagged}
        self.size = sum(span.size for span in self._rows.values())
        self._order = sorted(range(len(drivers)), key=lambda k: -drivers[k].steps)
        self._drivers = [drivers[k] for k in self._order]
        self._lengths = [driver.steps for driver in self._drivers]
        self._forces = self._prescribed()
        self._first = self._initial()
        self._readings: dict[int, Reading] = {}
        self._size = 0
        self.trouble = ""
        """Where and why a step failed first; empty if none did."""

    def read(self, numbers: Iterable[tuple[int, int, str, int, float]]) -> None:
        """What `run` returns: (experiment, step, output, component, factor) of each number, in this order."""
        place = {k: i for i, k in enumerate(self._order)}
        by_step: dict[int, list[tuple[int, int, float, int]]] = {}
        for position, (experiment, step, output, component, factor) in enumerate(numbers):
            entry = (place[experiment], self._rows[output].start + component, factor, position)
            by_step.setdefault(step, []).append(entry)
            self._size = position + 1
        for step, entries in by_step.items():
            experiment, component, factor, position = zip(*entries, strict=True)
            factors = torch.tensor(factor, dtype=torch.float64)
            places = [torch.tensor(indices) for indices in (experiment, component, position)]
            self._readings[step] = Reading(places[0], places[1], factors, places[2])

    @property
    def bytes_of_a_set(self) -> int:
        """What a run takes for each set of parameters, about."""
        count, experiments = len(self.parameters), len(self._lengths)
        depth = 1 + max(self._lags.values(), default=0)
        width = sum(span.size for span in self._columns.values()) + count
        return 8 * (experiments * self.size * (3 * width + 2 * depth * (1 + count)) + self._size * (1 + count))

    # -- what is given -----------------------------------------------------------------------------------------

    def _prescribed(self) -> dict[str, torch.Tensor]:
        """(steps, E, 1, *shape) by input, for all that is no state."""
        found = {}
        for name, shape in self.compiled.input_base_shapes.items():
            if name in self._columns:
                continue
            values = torch.zeros(self._lengths[0], len(self._drivers), 1, *shape, dtype=torch.float64)
            for k, driver in enumerate(self._drivers):
                self._fill(values[:, k, 0], name, driver)
            found[name] = values
        return found

    def _fill(self, values: torch.Tensor, name: str, driver: TransientDriver) -> None:
        """The history of an input as the driver would give it; zero where it is unknown."""
        base, back = base_name(name), lag(name)
        if base == driver.time and base not in driver.prescribed:
            values[back : driver.steps] = driver.prescribed_time.data[: driver.steps - back].to(values)
        elif base in driver.prescribed:
            given = with_declared_sub_batch(driver, base, driver.prescribed[base], leading=1).data
            given = given.reshape(given.shape[:1] + (1,) * (values.ndim - given.ndim) + given.shape[1:])
            values[back : driver.steps] = given[: driver.steps - back].to(values)
        elif base in driver.initial and back:
            values[back] = with_declared_sub_batch(driver, base, driver.initial[base]).data.to(values)

    def _initial(self) -> torch.Tensor:
        """(E, 1, n): the state that all histories begin with."""
        first = torch.zeros(len(self._drivers), 1, self.size, dtype=torch.float64)
        for k, driver in enumerate(self._drivers):
            for name, span in self._rows.items():
                if name in driver.initial:
                    value = with_declared_sub_batch(driver, name, driver.initial[name])
                    if value.batch_ndim > value.sub_batch_ndim:
                        shape = tuple(value.data.shape)
                        raise driver.error(f"the initial condition of '{name}' has shape {shape}; expected one point")
                    first[k, 0, span.slice] = value.data.to(first).expand(span.shape).reshape(-1)
        return first

    # -- running -----------------------------------------------------------------------------------------------

    def run(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What is read, (S, numbers), its derivatives, (S, numbers, P), and whether each set of parameters, a row of
        `values` (S, P), came to the end; where one did not, its rows are NaN."""
        sets, count = values.shape
        found = torch.full((sets, self._size), torch.nan, dtype=torch.float64)
        slopes = torch.full((sets, self._size, count), torch.nan, dtype=torch.float64)
        alive = torch.arange(sets)
        front = _Front(self, values)
        step = 1
        while step < self._lengths[0] and len(alive):
            lost = front.advance(step, sum(length > step for length in self._lengths))
            if lost:
                keep = torch.tensor([k for k in range(len(alive)) if k not in lost], dtype=torch.long)
                found[alive[sorted(lost)]] = torch.nan
                alive, front = alive[keep], front.without(keep)
                continue
            if step in self._readings:
                front.read(self._readings[step], alive, found, slopes)
            step += 1
        whole = torch.zeros(sets, dtype=torch.bool)
        whole[alive] = True
        return found, slopes, whole & found.isfinite().all(-1) & slopes.isfinite().flatten(1).all(-1)


@dataclass(frozen=True)
class _Span:
    """The components of a variable among all."""

    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def slice(self) -> slice:
        return slice(self.start, self.start + self.size)


def _spans(shapes: dict[str, tuple[int, ...]]) -> dict[str, _Span]:
    found, start = {}, 0
    for name, shape in shapes.items():
        found[name] = _Span(start, shape)
        start += prod(shape)
    return found


class _Front:
    """The last steps of all histories: `values[k]`, (E, S, n), of k steps ago, and `slopes[k]`, (E, S, n, P)."""

    def __init__(self, histories: Histories, parameters: torch.Tensor, earlier: Any = None) -> None:
        h, (sets, count) = histories, parameters.shape
        self.h, self.parameters = histories, parameters
        depth = 1 + max(h._lags.values(), default=0)
        experiments = len(h._lengths)
        if earlier is None:
            self.values = [torch.zeros(experiments, sets, h.size, dtype=torch.float64) for _ in range(depth)]
            self.slopes = [torch.zeros(experiments, sets, h.size, count, dtype=torch.float64) for _ in range(depth)]
            self.values[0] += h._first
        else:
            self.values, self.slopes = earlier
        self._width = sum(span.size for span in h._columns.values()) + count
        self._blocks = torch.zeros(experiments * sets * h.size * self._width, dtype=torch.float64)
        self._made: dict[tuple[int, ...], tuple[Any, Any, Any, Any]] = {}
        for k, name in enumerate(h.parameters):
            h.compiled.set_parameter(name, parameters[:, k].contiguous())

    def without(self, keep: torch.Tensor) -> _Front:
        """The same with a choice of the sets of parameters, a step back."""
        values, slopes = ([part.index_select(1, keep) for part in group] for group in (self.values, self.slopes))
        return _Front(self.h, self.parameters[keep], (values, slopes))

    def advance(self, step: int, active: int) -> set[int]:
        """One step of the first `active` experiments; or, with everything as it was, the sets that failed."""
        from ..aoti import ConvergenceError

        self.values = [self.values[-1], *self.values[:-1]]
        self.slopes = [self.slopes[-1], *self.slopes[:-1]]
        inputs, outputs, blocks, _ = self._tables(active)
        for name, force in self.h._forces.items():
            inputs[name] = force[step, :active]
        try:
            self.h.compiled.jacobian_into(inputs, outputs, blocks)
        except ConvergenceError as error:
            self.values = [*self.values[1:], self.values[0]]
            self.slopes = [*self.slopes[1:], self.slopes[0]]
            lost = [int(point[0]) for point in error.points]
            driver = self.h._drivers[lost[0] // len(self.parameters)]
            self.h.trouble = self.h.trouble or f"'{driver.name}', step {step} of {driver.steps - 1}: {error}"
            return {point % len(self.parameters) for point in lost}
        self._carry(active)
        return set()

    def _carry(self, active: int) -> None:
        """The chain rule. In NumPy: torch would wake threads for products that are over before they are there."""
        h, (sets, count) = self.h, self.parameters.shape
        _, _, _, order = self._tables(active)
        whole = self._blocks.numpy().take(order).reshape(active, sets, h.size, self._width)
        new, direct = self.slopes[0][:active].numpy(), whole[..., self._width - count :]
        if h._columns:
            old = [self.slopes[k][:active, :, h._rows[base_name(n)].slice].numpy() for n, k in h._lags.items()]
            np.matmul(whole[..., : self._width - count], np.concatenate(old, 2), out=new)
            new += direct
        else:
            new[:] = direct

    def read(self, reading: Reading, sets: torch.Tensor, found: torch.Tensor, slopes: torch.Tensor) -> None:
        """Put what is read at this step into the rows `sets` of the results."""
        r, rows = reading, sets[:, None]
        found[rows, r.position] = (self.values[0][r.experiment, :, r.component] * r.factor[:, None]).T
        part = self.slopes[0][r.experiment, :, r.component] * r.factor[:, None, None]
        slopes[rows, r.position] = part.transpose(0, 1)

    def _tables(self, active: int) -> tuple[Any, Any, Any, Any]:
        """Inputs, outputs and blocks as views of the arrays, and the order that makes matrices of the blocks, point by
        point; made once for each arrangement of them."""
        key = (active, *map(id, self.values))
        if key not in self._made:
            h = self.h
            old = {name: self.values[k][:active] for name, k in h._lags.items()}
            inputs = {n: _view(old[n], -1, h._rows[base_name(n)]) for n in h._columns}
            outputs = {n: _view(self.values[0][:active], -1, row) for n, row in h._rows.items()}
            self._made[key] = (inputs, outputs, *self._arranged(active))
        inputs, outputs, blocks, order = self._made[key]
        return dict(inputs), outputs, blocks, order

    def _arranged(self, active: int) -> tuple[dict[str, dict[str, torch.Tensor]], Any]:
        """Blocks one behind the other (results that lie between one another take long to check), and the order."""
        h, sets = self.h, len(self.parameters)
        first = self._width - len(h.parameters)
        columns = {**h._columns, **{name: _Span(first + k, ()) for k, name in enumerate(h.parameters)}}
        order = torch.empty(active, sets, h.size, self._width, dtype=torch.long)
        blocks: dict[str, dict[str, torch.Tensor]] = {}
        start = 0
        for output, row in h._rows.items():
            blocks[output] = {}
            for name, column in columns.items():
                end = start + active * sets * row.size * column.size
                shape = (active, sets, *row.shape, *column.shape)
                blocks[output][name] = self._blocks[start:end].reshape(shape)
                order[:, :, row.slice, column.slice] = torch.arange(start, end).reshape(
                    active, sets, row.size, column.size
                )
                start = end
        return blocks, order.reshape(-1).numpy()


def _view(array: torch.Tensor, axis: int, span: _Span) -> torch.Tensor:
    """The components of a span along an axis, in its shape."""
    axis %= array.ndim
    part = array.narrow(axis, span.start, span.size)
    return part.unflatten(axis, span.shape) if span.shape else part.squeeze(axis)

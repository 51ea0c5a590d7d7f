# SPDX-License-Identifier: MIT
"""One experiment: a table, what of it loads the model, and what is compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..drivers.results import COMPONENTS, to_tensor
from ..drivers.tables import read_table
from ..drivers.transient import TransientDriver
from ..drivers.values import TYPES
from ..errors import listing, suggestion
from ..hit import HitObject, Option, OptionFamily, base_name, register
from ..hit.tensors import as_number
from ..types import Scalar

Array = NDArray[Any]


@dataclass(frozen=True)
class Target:
    """A measured column: the component of an output that it is compared with, as the model's stored component times
    `factor`, and its numbers, one for each row of the table, NaN where nothing was measured."""

    output: str
    component: int
    factor: float
    label: str
    values: Array
    noise: float | None


@register("Experiment")
class Experiment(HitObject):
    """A test that was made: a table in a CSV file, a row for each time, names of columns in the first line.

    `file`: the table; in Python also a mapping from names to numbers. Empty cells mean that nothing was measured.
    `time`: the column of times; the first row is the initial state, at which the model is not evaluated and nothing is
    compared.
    `drive`: what loads the model, as `INPUT=COLUMN` or `INPUT=NUMBER`, an input or one component of it, e.g.
    `fixed_values.xx=strain.xx control.yy=1`; components that are not named are zero. Columns called as inputs, or
    components of inputs, need not be listed.
    `compare`: what was measured, as `OUTPUT` or `OUTPUT=COLUMN`; default: all columns that are called as outputs, or
    components of outputs, and load nothing.
    Components are those of tensors, as drivers save them, not of Mandel's notation.
    `noise`: standard deviation of what is measured, one number or one for each that is compared; residuals are divided
    by it. Without it, by the range of all experiments' values of the same output.
    `weight`: factor of this experiment's squares in the sum. `substeps`: how many equal steps the model makes from one
    row to the next. `time_input`: the input that is the time. `ic_<T>_names`, `ic_<T>_values`: initial conditions, as
    of a TransientDriver.
    """

    SECTION = "Calibration"

    file: Any = Option(Path)
    time: str = Option(str, "time")
    drive: list[str] = Option(list[str], default=(), unique=True)
    compare: list[str] = Option(list[str], default=(), unique=True)
    noise: list[float] = Option(list[float], default=(), above=0.0)
    weight: float = Option(float, 1.0, above=0.0)
    substeps: int = Option(int, 1, at_least=1)
    time_input: str = Option(str, "t")
    ic_names = OptionFamily("ic_{}_names", list[str], TYPES, default=())
    ic_values = OptionFamily("ic_{}_values", list[str], TYPES, default=())

    def setup(self) -> None:
        self.table = self._read()
        if self.time not in self.table:
            raise self.error(f"no column '{self.time}'{self._near(self.time)}", "time")
        rows = len(self.table[self.time])
        if rows < 2:
            raise self.error(f"the table has {rows} rows; expected the initial state and one more, or more", "file")

    def _read(self) -> dict[str, Array]:
        if isinstance(self.file, Mapping):
            columns = {name: np.asarray(values, float) for name, values in self.file.items()}
            lengths = {name: v.shape for name, v in columns.items()}
            if len(set(lengths.values())) > 1 or any(v.ndim != 1 for v in columns.values()):
                raise self.error(f"columns have shapes {lengths}; expected one axis, of rows", "file")
            return columns
        path = Path(self.file)
        try:
            found = read_table(path)
        except OSError as error:
            raise self.error(f"{path}: {error.strerror}", "file") from None
        except ValueError as error:
            raise self.error(f"{path}: no table of numbers under names: {error}", "file") from None
        points = next((v.shape[1] for v in found.values()), 1)
        if points > 1:
            raise self.error(f"{path} has {points} points; an experiment has one: make a file for each", "file")
        return {name: values[:, 0] for name, values in found.items()}

    def _near(self, name: str) -> str:
        return suggestion(name, self.table) or f"; there are: {listing(self.table)}"

    # -- loading ---------------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        return len(self.table[self.time])

    def step_of(self, row: int) -> int:
        """The step of the driver at which a row of the table is reached."""
        return row * self.substeps

    def driver(self, model: Any) -> TransientDriver:
        """What loads `model` as the table says."""
        import torch

        names: dict[str, list[str]] = {kind: [] for kind in TYPES}
        values: dict[str, list[Any]] = {kind: [] for kind in TYPES}
        for name, data in self._loading(model).items():
            T = model.input_spec[name]
            if T.__name__ not in TYPES:
                raise self.error(f"'{name}' is a {T.__name__}; a table can drive {listing(TYPES)}", "drive")
            names[T.__name__].append(name)
            values[T.__name__].append(T(torch.from_numpy(self._refined(data))))
        given = {
            "model": model,
            "prescribed_time": Scalar(torch.from_numpy(self._refined(self._column(self.time, "time")))),
            "time": self.time_input,
            "save_as": "",
            "prescribed_names": names,
            "prescribed_values": values,
            "ic_names": self.ic_names,
            "ic_values": self.ic_values,
        }
        made = TransientDriver.__new__(TransientDriver)
        made._configure(self.name, given, self.source, self.block)
        return made

    def _refined(self, values: Array) -> Array:
        """Rows, and in equal steps what lies between them on straight lines."""
        at = np.arange((len(values) - 1) * self.substeps + 1) / self.substeps
        columns = values.reshape(len(values), -1)
        found = [np.interp(at, np.arange(len(values)), column) for column in columns.T]
        return np.stack(found, -1).reshape(-1, *values.shape[1:])

    def _loading(self, model: Any) -> dict[str, Array]:
        """(rows, *base) in storage by input of the model."""
        found: dict[str, Array] = {}
        for target, source in self._sources(model).items():
            name, component, factor = self._component(target, model.input_spec, "input", "drive")
            data = found.setdefault(name, np.zeros((self.rows, *model.input_spec[name].BASE_SHAPE)))
            number = as_number(source)
            column = self._column(source, "drive") if number is None else np.full(self.rows, number)
            data.reshape(self.rows, -1)[:, component] = column / factor
        return found

    def _sources(self, model: Any) -> dict[str, str]:
        """What drives an input or component: a column, or a number."""
        found: dict[str, str] = {}
        for text in self.drive:
            target, equals, source = text.partition("=")
            if not equals or not source:
                raise self.error(f"'{text}' is no INPUT=COLUMN or INPUT=NUMBER", "drive")
            if target in found:
                raise self.error(f"'{target}' is driven twice", "drive")
            found[target] = source
        variables = {target.partition(".")[0] for target in found}
        for column in self.table:
            variable = column if column in model.input_spec else column.rpartition(".")[0]
            if variable in model.input_spec and variable not in variables and base_name(variable) == variable:
                found.setdefault(column, column)
        return found

    def _column(self, name: str, option: str) -> Array:
        if name not in self.table:
            raise self.error(f"no column '{name}'{self._near(name)}", option)
        values = self.table[name]
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise self.error(f"column '{name}' has no number in row {row}; what loads the model is needed", option)
        return values

    def _component(self, name: str, spec: Mapping[str, Any], what: str, option: str) -> tuple[str, int, float]:
        """Variable, number of the component, and what makes a tensor's component of the stored one."""
        variable, label = (name, "") if name in spec else (name.rpartition(".")[0], name.rpartition(".")[2])
        if variable not in spec:
            known = [*spec, *(f"{v}.{c}" for v, T in spec.items() for c in COMPONENTS.get(T.__name__, ()))]
            near = suggestion(name, known) or f"; there are: {listing(spec)}"
            raise self.error(f"'{name}' is no {what} of the model{near}", option)
        T = spec[variable]
        size = int(np.prod(T.BASE_SHAPE, dtype=int))
        labels = COMPONENTS.get(T.__name__) or tuple(map(str, range(size)))
        if not T.BASE_SHAPE and not label:
            return variable, 0, 1.0
        if label not in labels or not T.BASE_SHAPE:
            there = (
                f"expected one of {listing(f'{variable}.{c}' for c in labels)}" if T.BASE_SHAPE else "it is one number"
            )
            raise self.error(f"'{name}': '{variable}' is a {T.__name__}; {there}", option)
        component = labels.index(label)
        return variable, component, float(to_tensor(T)[component])

    # -- comparing -------------------------------------------------------------------------------------------

    def targets(self, model: Any) -> list[Target]:
        """What is compared."""
        pairs = [(o, c or o) for o, _, c in (text.partition("=") for text in self.compare)] or self._comparable(model)
        if not pairs:
            text = (
                f"no column of {listing(self.table)} is called as an output of the model: {listing(model.output_spec)}"
            )
            raise self.error(f"nothing is compared: {text}; say OUTPUT=COLUMN in 'compare'")
        if len(self.noise) not in (0, 1, len(pairs)):
            raise self.error(f"{len(self.noise)} numbers for {len(pairs)} that are compared", "noise")
        noises = list(self.noise) * (len(pairs) if len(self.noise) == 1 else 1) or [None] * len(pairs)
        found = []
        for (output, column), noise in zip(pairs, noises, strict=True):
            if column not in self.table:
                raise self.error(f"no column '{column}'{self._near(column)}", "compare")
            name, component, factor = self._component(output, model.output_spec, "output", "compare")
            values = self.table[column]
            if not np.isfinite(values[1:]).any():
                raise self.error(f"column '{column}' has no number behind the first row", "compare")
            found.append(Target(name, component, factor, output, values, noise))
        return found

    def _comparable(self, model: Any) -> list[tuple[str, str]]:
        loading = {*self._sources(model).values(), self.time}
        return [
            (column, column)
            for column in self.table
            if column not in loading and (column in model.output_spec or column.rpartition(".")[0] in model.output_spec)
        ]

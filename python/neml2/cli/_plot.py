# SPDX-License-Identifier: MIT
"""Pictures of transient runs, and of tables beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import listing
from ._common import UsageError

if TYPE_CHECKING:
    import numpy as np

    from ..drivers.results import Results

POINTS = 4
"""At most so many material points are drawn."""
LEGEND_INSIDE = 6
"""Longer legends stand beside the panel."""
STYLES = ("-", "--", ":", "-.")


@dataclass
class Curves:
    """What one run, or table, has to draw: (steps, points) by `time`, `stress.xx`, `slip[3]`, ..."""

    label: str
    columns: Mapping[str, np.ndarray]

    def of(self, name: str) -> list[str]:
        """The columns of a variable, or of one component."""
        return [name] if name in self.columns else [c for c in self.columns if _variable(c) == name]

    def moving(self, name: str) -> list[str]:
        """Those that are not zero all the time; the first if all are."""
        import numpy as np

        found = self.of(name)
        return [c for c in found if np.nanmax(np.abs(self.columns[c]), initial=0.0) > 0.0] or found[:1]

    def widest(self, name: str) -> str | None:
        """The column that varies most."""
        import numpy as np

        return max(self.of(name), key=lambda column: _range(np, self.columns[column]), default=None)

    def varies(self, name: str) -> bool:
        """Whether a variable changes with the steps or points."""
        import numpy as np

        return any(_range(np, self.columns[column]) > 0.0 for column in self.of(name))


def _range(np: Any, values: np.ndarray) -> float:
    """Between least and greatest value; negative where there is no number."""
    return float(np.nanmax(values, initial=-np.inf) - np.nanmin(values, initial=np.inf))


def _variable(column: str) -> str:
    """`slip` of `slip[3]`, `stress` of `stress.xx`."""
    return column.partition("[")[0] if "[" in column else column.rpartition(".")[0] or column


def curves(label: str, driver: Any) -> Curves:
    """Of the run of a driver."""
    return Curves(label, driver.results.columns())


def table(path: Path) -> Curves:
    """Of a CSV file with names of columns in its first line, as `save_as` writes. Raises UsageError."""
    from ..drivers.tables import read_table

    try:
        return Curves(path.stem, read_table(path))
    except OSError as error:
        raise UsageError(f"--add {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"--add {path}: no table of numbers under names: {error}") from None


# ---- what to draw ----------------------------------------------------------------------------------------------------


def pairs(axes: Sequence[str], results: Results) -> list[tuple[str, str]]:
    """What `X:Y` stand for. Raises UsageError for what no run of these results will have."""
    found = []
    for axis in axes:
        x, colon, y = axis.partition(":")
        if not colon:
            raise UsageError(f"--axes: '{axis}' is no pair; expected X:Y, e.g. time:stress or strain.xx:stress.xx")
        for name in (x, y):
            try:
                results.split(name)
            except KeyError as error:
                raise UsageError(f"--axes: {error.args[0]}") from None
        found.append((x, y))
    return found


def units(texts: Sequence[str], results: Results) -> dict[str, str]:
    """Units by variable, of `NAME=UNIT`. Raises UsageError."""
    found = {}
    for text in texts:
        name, equals, unit = text.partition("=")
        if not equals or name not in results:
            raise UsageError(f"--unit {text}: expected NAME=UNIT, NAME one of {listing(results)}")
        found[name] = unit
    return found


def default_pairs(driver: Any, run: Curves) -> list[tuple[str, str]]:
    """Outputs against what drives them and is of their type, component by component; then what varies over time."""
    driven = [name for name in driver.prescribed if run.varies(name)]
    found = []
    for name in driven:
        x = run.widest(name)
        for output, type_ in driver.model.output_spec.items():
            if x is not None and type_ is type(driver.prescribed[name]):
                found.append((x, f"{output}{x.removeprefix(name)}" if run.of(f"{output}{x[len(name) :]}") else output))
    return [*found, *(("time", name) for name in [*driven, *driver.model.output_spec])]


# ---- drawing ---------------------------------------------------------------------------------------------------------


def plot(runs: Sequence[Curves], panels: Sequence[tuple[str, str]], path: Path, units: Mapping[str, str]) -> None:
    """Draw a panel for each pair of names into the file `path`, all runs in each. Raises UsageError for a file that
    cannot be written."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5.2 * columns, 3.8 * rows), layout="constrained")
    for index, (x, y) in enumerate(panels):
        _panel(figure.add_subplot(rows, columns, index + 1), runs, x, y, units)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UsageError(f"--plot {path}: {error.strerror}") from None


def fitted(panels: Sequence[tuple[str, str, str, Curves, Curves]], path: Path) -> None:
    """Draw what was measured, as points, and what the model gives, as a line: (title, x, y, measured, model) each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5.2 * columns, 3.8 * rows), layout="constrained")
    for index, (title, x, y, measured, model) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.plot(measured.columns[x], measured.columns["y"], ".", color="0.6", markersize=4, label=measured.label)
        axes.plot(model.columns[x], model.columns["y"], "-", color="C0", linewidth=1.2, label=model.label)
        axes.set(xlabel=x, ylabel=y, title=title)
        _tidy(axes)
        axes.legend(fontsize="small", loc="best")
    _save(figure, path)


def check_format(path: Path) -> None:
    """Raises UsageError for a file name whose ending matplotlib does not write."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise UsageError(f"--plot {path}: pictures end in one of {listing(f'.{ending}' for ending in known)}")


def _panel(axes: Any, runs: Sequence[Curves], x: str, y: str, units: Mapping[str, str]) -> None:
    shown = _distinct(runs, list(dict.fromkeys(c for run in runs for c in run.moving(y))))
    points = min(max((run.columns[c].shape[1] for run in runs for c in run.of(y)), default=1), POINTS)
    what = {
        "run": [run.label for run in runs],
        "column": [label.replace(y, "", 1).lstrip(".") for label in shown.values()],
        "point": [f"point {k}" for k in range(points)],
    }
    by_color, by_style, *rest = sorted(what, key=lambda kind: (len(what[kind]) == 1, -_RANK.index(kind)))
    points = 1 if len(what[rest[0]]) > 1 else points  # no third way of drawing: the first point stands for all
    for number, run in enumerate(runs):
        column = run.widest(x)
        for k, name in enumerate(shown):
            if column is None or name not in run.columns:
                continue
            across, up = run.columns[column], run.columns[name]
            for point in range(min(points, max(across.shape[1], up.shape[1]))):
                place = {"run": number, "column": k, "point": point}
                line = across[:, min(point, across.shape[1] - 1)], up[:, min(point, up.shape[1] - 1)]
                color, style = f"C{place[by_color] % 10}", STYLES[place[by_style] % len(STYLES)]
                label = ", ".join(what[kind][place[kind]] for kind in _RANK if len(what[kind]) > 1)
                axes.plot(*line, style, color=color, label=label or None)
    axes.set_xlabel(_titled(next((c for c in (run.widest(x) for run in runs) if c), x), units))
    axes.set_ylabel(_titled(y if len(shown) > 1 else next(iter(shown.values()), y), units))
    _tidy(axes)
    _legend(axes, what[by_color], what[by_style] if len(what[by_style]) > 1 else [])


_RANK = ("point", "run", "column")
"""What colours tell apart first, if there are several, is last."""


def _legend(axes: Any, colors: Sequence[str], styles: Sequence[str]) -> None:
    """What colours and line styles mean, beside the panel where that is much."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=f"C{k % 10}", label=text) for k, text in enumerate(colors)] if len(colors) > 1 else []
    lines += [Line2D([], [], color="grey", linestyle=STYLES[k % len(STYLES)], label=t) for k, t in enumerate(styles)]
    if len(lines) > LEGEND_INSIDE:
        where = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.02), "ncols": 1 + (len(lines) - 1) // 16}
        axes.legend(handles=lines, fontsize="small", frameon=False, **where)
    elif lines:
        axes.legend(handles=lines, fontsize="small", loc="best")


def _distinct(runs: Sequence[Curves], names: Sequence[str]) -> dict[str, str]:
    """Columns with their labels; of those that are equal in all runs, the first stands for all."""
    import numpy as np

    found: dict[str, list[str]] = {}
    for name in names:
        twin = next((k for k in found if all(_equal(np, run, k, name) for run in runs)), None)
        found.setdefault(twin or name, []).append(name)
    return {
        k: ", ".join([k, *(n.removeprefix(_variable(n)).lstrip(".") for n in same[1:])]) for k, same in found.items()
    }


def _equal(np: Any, run: Curves, a: str, b: str) -> bool:
    if a not in run.columns or b not in run.columns:
        return a not in run.columns and b not in run.columns
    scale = float(np.nanmax(np.abs(run.columns[a]), initial=0.0))
    return bool(np.allclose(run.columns[a], run.columns[b], rtol=0, atol=1e-6 * scale, equal_nan=True))


def _titled(column: str, units: Mapping[str, str]) -> str:
    unit = units.get(column) or units.get(_variable(column))
    return f"{column} [{unit}]" if unit else column


def _tidy(axes: Any) -> None:
    """Few ticks, with a common power of ten."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6))
        formatter = ScalarFormatter(useMathText=True, useOffset=False)
        formatter.set_powerlimits((-3, 4))
        axis.set_major_formatter(formatter)
    axes.grid(alpha=0.3)
    axes.margins(x=0.03)

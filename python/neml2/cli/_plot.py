# SPDX-License-Identifier: MIT
"""Pictures of a transient run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._common import UsageError

POINTS = 4
"""At most so many material points are drawn."""
COMPONENTS = {"SR2": ("xx", "yy", "zz", "yz", "xz", "xy"), "Vec": "xyz", "WR2": ("zy", "xz", "yx")}


def plot(driver: Any, path: Path, axes: Sequence[str] = ()) -> None:
    """Draw `X:Y` panels into the file `path`; X may be `time`. Without any, every driven variable and every output over
    time, and the outputs against a driven variable of their type."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    names = history_names(driver)
    panels = [pair(axis, names) for axis in axes] or default_panels(driver, names)
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5 * columns, 3.6 * rows), layout="constrained")
    for index, (x, y) in enumerate(panels):
        draw(figure.add_subplot(rows, columns, index + 1), driver, x, y)
    figure.savefig(path, dpi=120)


def history_names(driver: Any) -> dict[str, Any]:
    """Driven variables, then outputs, with their types."""
    names = {name: type(value) for name, value in driver.prescribed.items()}
    return {**names, **driver.model.output_spec}


def pair(axis: str, names: dict[str, Any]) -> tuple[str, str]:
    from ..errors import listing, suggestion

    x, colon, y = axis.partition(":")
    if not colon:
        raise UsageError(f"--axes: '{axis}' is no pair; expected X:Y, e.g. time:stress")
    for name in (x, y):
        if name not in names and name != "time":
            hint = suggestion(name, names) or f"; there are: {listing(names)}"
            raise UsageError(f"--axes: '{name}' is neither driven nor an output{hint}")
    return x, y


def default_panels(driver: Any, names: dict[str, Any]) -> list[tuple[str, str]]:
    panels = [("time", name) for name in names]
    for driven, value in driver.prescribed.items():
        outputs = [n for n, type_ in driver.model.output_spec.items() if type_ is type(value)]
        panels += [(driven, name) for name in outputs]
    return panels


def history(driver: Any, name: str) -> Any:
    """(steps, points, components) as a NumPy array, NaN where there is no value."""
    import torch

    if name == "time":
        rows = list(driver.prescribed_time.data)[: len(driver.inputs)]
        base = 0
    else:
        states = driver.inputs if name in driver.prescribed else driver.outputs
        type_ = history_names(driver)[name]
        rows = [s[name].data if name in s else torch.full(type_.BASE_SHAPE, math.nan) for s in states]
        base = len(type_.BASE_SHAPE)
    flat = [row.detach().cpu().double().reshape(-1, math.prod(row.shape[row.ndim - base :])) for row in rows]
    points = max(row.shape[0] for row in flat)
    return torch.stack([row.expand(points, row.shape[1]) for row in flat]).numpy()


def draw(axes: Any, driver: Any, x: str, y: str) -> None:
    import numpy as np

    across, up = history(driver, x), history(driver, y)
    points = min(max(across.shape[1], up.shape[1]), POINTS)
    component = int(np.argmax(np.nanmax(np.abs(across), axis=(0, 1)))) if across.shape[2] > 1 else 0
    labels = component_labels(driver, y, up.shape[2])
    shown = [c for c in range(up.shape[2]) if np.nanmax(np.abs(up[:, :, c]), initial=0.0) > 0.0] or [0]
    for c in shown:
        for point in range(points):
            label = " ".join(filter(None, [labels[c], f"point {point}" if points > 1 else ""]))
            line = across[:, min(point, across.shape[1] - 1), component], up[:, min(point, up.shape[1] - 1), c]
            axes.plot(*line, color=f"C{c % 10}", linestyle=("-", "--", ":", "-.")[point], label=label or None)
    axes.set_xlabel(f"{x} {component_labels(driver, x, across.shape[2])[component]}".strip())
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    if len(shown) * points > 1:
        axes.legend(fontsize="x-small", ncols=2 if len(shown) * points > 6 else 1)


def component_labels(driver: Any, name: str, count: int) -> list[str]:
    type_ = history_names(driver).get(name)
    known = COMPONENTS.get(type_.__name__ if type_ is not None else "")
    if known is not None and len(known) == count:
        return list(known)
    return [""] if count == 1 else [str(i) for i in range(count)]

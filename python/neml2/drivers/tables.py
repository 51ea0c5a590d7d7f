# SPDX-License-Identifier: MIT
"""Tables of numbers under names, as drivers save them and experiments bring them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = dict[str, NDArray[Any]]


def read_table(path: Path) -> Table:
    """The columns of a CSV file by the names in its first line, each (rows, points): rows of points where there is a
    column `point`, else one point. Empty cells are NaN; lines that begin with `#` are notes.

    Raises OSError, and ValueError, which says where there is no number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        rows = [(lines.line_num, row) for row in lines if any(row) and not row[0].startswith("#")]
    if not rows:
        raise ValueError("it is empty; expected a line of names, and lines of numbers")
    names = [name.strip() for name in rows[0][1]]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two columns are called '{name}'")
    numbers = np.array([_numbers(line, row, names) for line, row in rows[1:]]).reshape(-1, len(names))
    points = len(set(numbers[:, names.index("point")])) if "point" in names else 1
    if points and len(numbers) % points:
        raise ValueError(f"{len(numbers)} rows do not go with {points} points")
    values = numbers.reshape(-1, max(points, 1), len(names))
    return {name: values[..., k] for k, name in enumerate(names) if name not in ("step", "point")}


def _numbers(line: int, row: list[str], names: list[str]) -> list[float]:
    if len(row) != len(names):
        raise ValueError(f"line {line} has {len(row)} cells under {len(names)} names")
    found = []
    for name, cell in zip(names, row, strict=True):
        try:
            found.append(float(cell) if cell.strip() else np.nan)
        except ValueError:
            raise ValueError(f"line {line}: '{cell}' under '{name}' is no number") from None
    return found

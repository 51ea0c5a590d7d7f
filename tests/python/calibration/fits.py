# SPDX-License-Identifier: MIT
"""Small fits that tests share: x' = w x by backward Euler from x0, whose history is x0 (1 - w dt)^-n."""

from __future__ import annotations

import numpy as np

from input_texts import decay
from neml2.hit import InputFile, load_string

W, START, DT = -2.0, 3.0, 0.1


def exact(steps: int, w: float = W, start: float = START) -> np.ndarray:
    return start * (1 - w * DT) ** -np.arange(steps + 1.0)


def slope(steps: int, w: float = W, start: float = START) -> np.ndarray:
    """d exact / d w."""
    n = np.arange(steps + 1.0)
    return n * DT * start * (1 - w * DT) ** (-n - 1)


DECAY = (
    decay(-1)
    + """
[Models]
  [seen]
    type = ScalarLinearCombination
    from = 'x'
    to = 'y'
    weights = '1'  # the gain of the instrument
  []
  [model]
    type = ComposedModel
    models = 'update seen'
    additional_outputs = 'x'
  []
[]
"""
)
"""x and y = gain x."""

FIT = (
    DECAY
    + """
[Calibration]
  [w]
    type = FitParameter
    parameter = 'rate.weight_0'
    lower = -9
    upper = -0.1
  []
  [gain]
    type = FitParameter
    parameter = 'seen.weight_0'
    lower = 0.1
    upper = 10
    transform = log
  []
  [short]
    type = Experiment
    file = 'short.csv'
    ic_Scalar_names = 'x'
    ic_Scalar_values = '3'
  []
  [long]
    type = Experiment
    file = 'long.csv'
    compare = 'y=seen'
    ic_Scalar_names = 'x'
    ic_Scalar_values = '3'
  []
  [fit]
    type = LeastSquares
    model = 'model'
    parameters = 'w gain'
    experiments = 'short long'
  []
[]
"""
)
"""Two tests; `write_tables` writes what belongs to them."""


def write_tables(folder, noise: float = 0.0, gain: float = 2.0) -> None:
    random = np.random.default_rng(0)
    for name, column, steps in (("short", "y", 12), ("long", "seen", 30)):
        values = gain * exact(steps) + noise * random.standard_normal(steps + 1)
        rows = [f"{DT * k},{v:.17g}" for k, v in enumerate(values)]
        (folder / f"{name}.csv").write_text("\n".join([f"time,{column}", *rows, ""]))


def fit_in(folder, *overrides: str, text: str = FIT, **tables) -> InputFile:
    write_tables(folder, **tables)
    (folder / "fit.i").write_text(text)
    return load_string(text, additional_args=overrides, name=str(folder / "fit.i"))

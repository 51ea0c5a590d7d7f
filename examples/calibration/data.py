# SPDX-License-Identifier: MIT
"""Makes up the tests of the examples: what their models give with the values below, and noise.

python data.py
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from neml2.hit import load_input

HERE = Path(__file__).resolve().parent

STEEL = {"sy": 100.0, "R": 80.0, "d": 8.0, "eta": 150.0, "C1": 4e4, "g1": 500.0, "C2": 4e3, "g2": 25.0}
COPPER = {"strength": 16.0, "slope": 180.0, "saturated": 120.0, "n": 10.0}
"""What is to be found, by the names in [Calibration]."""

NOISE = {"steel.i": 2.0, "copper.i": 1.0}
"""Standard deviation of the stresses, MPa."""


def cycles(peaks: list[float], rate: float, steps: int) -> dict[str, np.ndarray]:
    """Straight ways from peak to peak of the strain, in so many steps each."""
    ways = [a + (b - a) * np.arange(1, steps + 1) / steps for a, b in pairwise([0.0, *peaks])]
    strain = np.concatenate([[0.0], *ways])
    return {"time": np.concatenate([[0.0], np.cumsum(np.abs(np.diff(strain)) / rate)]), "strain.xx": strain}


def tension(strain: float, rate: float, steps: int) -> dict[str, np.ndarray]:
    return {"time": np.linspace(0, strain / rate, steps + 1), "rate": np.full(steps + 1, rate)}


TESTS = {
    "steel.i": {
        "slow": cycles([0.006, -0.006] * 2 + [0.006], 1e-4, 20),
        "fast": cycles([0.01, -0.01] * 2 + [0.01], 1e-2, 20),
        "growing": cycles([0.004, -0.004, 0.008, -0.008, 0.015, -0.015], 1e-3, 20),
    },
    "copper.i": {
        "cube": tension(0.1, 1e-3, 50),
        "cube_fast": tension(0.1, 1.0, 50),
        "edge": tension(0.2, 1e-3, 50),
    },
}


def main() -> None:
    random = np.random.default_rng(1)
    for file, values in (("steel.i", STEEL), ("copper.i", COPPER)):
        for name, loading in TESTS[file].items():
            write(HERE / f"{name}.csv", {**loading, "stress.xx": np.zeros(len(loading["time"]))})
        task = load_input(HERE / file).get("Calibration", "fit")
        parameters = dict(task.model.named_parameters())
        with torch.no_grad():
            for parameter, name in zip(task.fitted, task.names, strict=True):
                parameters[name].fill_(values[parameter.name])
        for experiment in task.experiments:
            driver = experiment.driver(task.model)
            driver.run()
            stress = np.nan_to_num(driver.results["stress.xx"].reshape(-1))  # unknown where it begins
            noise = NOISE[file] * random.standard_normal(len(stress))
            write(HERE / f"{experiment.name}.csv", {**TESTS[file][experiment.name], "stress.xx": stress + noise})


def write(path: Path, columns: dict[str, np.ndarray]) -> None:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(f"{v:.6g}" for v in row) for row in rows), ""]))


if __name__ == "__main__":
    main()

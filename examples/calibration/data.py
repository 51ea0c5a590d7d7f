# SPDX-License-Identifier: MIT
"""Makes up the tests of the examples: what the models give with the values below, and noise.

python data.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neml2.calibration import Experiment
from neml2.hit import load_input

HERE = Path(__file__).resolve().parent

STEEL = {"sy": 100.0, "R": 80.0, "d": 8.0, "eta": 150.0, "X1rate.C": 4e4, "X1rate.g": 500.0, "X2rate.C": 4e3,
         "X2rate.g": 25.0}  # fmt: skip
NOISE = 2.0


def cycles(peaks: list[float], rate: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and strains of straight ways from peak to peak, in so many steps each."""
    ends = np.array([0.0, *peaks])
    way = np.concatenate([[0.0], *(a + (b - a) * np.arange(1, steps + 1) / steps for a, b in zip(ends, ends[1:]))])
    return np.concatenate([[0.0], np.cumsum(np.abs(np.diff(way)) / rate)]), way


TESTS = {
    "slow": cycles([0.006, -0.006] * 2 + [0.006], 1e-4, 20),
    "fast": cycles([0.01, -0.01] * 2 + [0.01], 1e-2, 20),
    "growing": cycles([0.004, -0.004, 0.008, -0.008, 0.015, -0.015], 1e-3, 20),
}


def measured(model, values: dict[str, float], test: dict[str, np.ndarray], drive: list[str], output: str) -> np.ndarray:
    """What the model gives."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            for end, value in values.items():
                if name.endswith(f".{end}"):
                    parameter.fill_(value)
    driver = Experiment("test", file=test, drive=drive, compare=["-"]).driver(model)
    driver.run()
    return driver.results[output].reshape(-1)


def write(path: Path, columns: dict[str, np.ndarray]) -> None:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(f"{v:.6g}" for v in row) for row in rows), ""]))


def main() -> None:
    random = np.random.default_rng(1)
    source = load_input(HERE / "steel.i")
    drive = source.block("Calibration", "slow").field("drive").tokens()
    for name, (time, strain) in TESTS.items():
        test = {"time": time, "strain.xx": strain}
        stress = measured(source.get_model("model"), STEEL, test, drive, "stress.xx")
        write(HERE / f"{name}.csv", {**test, "stress.xx": stress + NOISE * random.standard_normal(len(stress))})


if __name__ == "__main__":
    main()

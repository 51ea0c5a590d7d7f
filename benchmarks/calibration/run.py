# SPDX-License-Identifier: MIT
"""Times of the fits in examples/calibration, from 20 starts, the kernel being in the cache or not.

    python benchmarks/calibration/run.py

Printed for each: seconds until the kernel was there, of the fit, steps of all starts together, microseconds for each
step of a history of one set of parameters with its derivatives, and how far the parameters are from those that made the
data, in standard errors.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from neml2.calibration.residuals import Residuals
from neml2.hit import load_input

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "calibration"
sys.path.insert(0, str(EXAMPLES))


def main() -> int:
    import data

    print(f"{'fit':8} {'kernel s':>9} {'fit s':>7} {'same minimum':>13} {'steps':>6} {'us/step':>8} {'away':>12}")
    for name, truth in (("steel", data.STEEL), ("copper", data.COPPER)):
        task = load_input(EXAMPLES / f"{name}.i").get("Calibration", "fit")
        start = time.perf_counter()
        residuals = Residuals(task.model, task.experiments, task.names)
        kernel = time.perf_counter() - start
        start = time.perf_counter()
        fit = task.run()
        took = time.perf_counter() - start
        iterations = sum(outcome.iterations for outcome in fit.starts)
        updates = iterations * sum(e.step_of(e.rows - 1) for e in task.experiments)
        expected = np.array([truth[p.name] for p in task.fitted])
        away = np.abs((fit.values - expected) / fit.standard_errors).max()
        agreeing = f"{fit.agreeing} of {len(fit.starts)}"
        print(
            f"{name:8} {kernel:9.1f} {took:7.2f} {agreeing:>13} {iterations:6} {1e6 * took / updates:8.1f} {away:12.2f}"
        )
        assert residuals.size
    return 0


if __name__ == "__main__":
    sys.exit(main())

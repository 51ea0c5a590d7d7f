# SPDX-License-Identifier: MIT
"""What is raised where a solve inside a function did not converge."""

from __future__ import annotations

import numpy as np

from neml2.compiler.backends.native.host import Report


def not_converged(name: str, report: Report) -> Exception:
    from neml2.failures import REASONS, FailedPoint
    from neml2.solvers.convergence import ConvergenceError, describe

    points = [
        FailedPoint(int(p), int(report.iterations[p]), float(report.residual[p]), REASONS[report.status[p] - 1])
        for p in np.flatnonzero(report.status)
    ]
    return ConvergenceError(f"{name}: {describe(points, len(report.status))}", points)

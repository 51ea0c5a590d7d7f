# SPDX-License-Identifier: MIT
"""From experiments to parameters: least squares through compiled models.

table, loading, what is compared      experiment.py
unknown, bounds, transformation       parameter.py
residuals and their derivatives       history.py, residuals.py
steps, their quadratic programs       gauss_newton.py, quadratic.py
the fit: options, starts, report      least_squares.py, fit.py, statistics.py
the input file with fitted values     fitted.py
"""

from __future__ import annotations

from .experiment import Experiment
from .fit import Fit
from .least_squares import LeastSquares
from .parameter import FitParameter

__all__ = ["Experiment", "Fit", "FitParameter", "LeastSquares"]

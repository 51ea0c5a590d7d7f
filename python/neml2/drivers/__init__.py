# SPDX-License-Identifier: MIT
"""Drivers: run a model over a history, compare the result with references, check a model's derivatives."""

from __future__ import annotations

from .model_unit_test import ModelUnitTest
from .regression import TransientRegression
from .transient import TransientDriver
from .verification import Verification

__all__ = ["ModelUnitTest", "TransientDriver", "TransientRegression", "Verification"]

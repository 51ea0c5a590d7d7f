# SPDX-License-Identifier: MIT
"""Kinetics and geometry of reactions in solids."""

# SPDX-License-Identifier: MIT
"""Elasticity, plasticity and their relatives."""

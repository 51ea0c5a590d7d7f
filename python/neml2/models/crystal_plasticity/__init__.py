# SPDX-License-Identifier: MIT
"""Slip on the systems of a crystal."""

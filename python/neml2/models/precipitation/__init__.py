# SPDX-License-Identifier: MIT
"""Precipitation after Kampmann and Wagner: nucleation and growth of a distribution of particle sizes."""

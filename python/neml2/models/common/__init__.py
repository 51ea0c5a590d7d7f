# SPDX-License-Identifier: MIT
"""Models that are not tied to one field of physics."""

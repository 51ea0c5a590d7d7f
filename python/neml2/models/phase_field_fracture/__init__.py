# SPDX-License-Identifier: MIT
"""Phase-field models of fracture."""

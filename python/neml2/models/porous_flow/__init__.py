# SPDX-License-Identifier: MIT
"""Flow through porous media."""

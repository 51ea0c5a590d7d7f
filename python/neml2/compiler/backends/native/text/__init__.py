# SPDX-License-Identifier: MIT
"""Programs as C++ text."""

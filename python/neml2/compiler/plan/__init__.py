# SPDX-License-Identifier: MIT
"""Where variables live in the state, which derivatives are needed, which kernels in which order."""

# SPDX-License-Identifier: MIT
"""What any package is made of: sealed metadata, staged folders, kernels kept in a cache, instruction sets, the stub."""

# SPDX-License-Identifier: MIT
"""The point graph, its derivatives, programs over it, and questions that can be asked of them."""

# SPDX-License-Identifier: MIT
"""Transport in one dimension on cells, whose values lie along the last sub-batch axis, from left to right."""

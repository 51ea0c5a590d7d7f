# SPDX-License-Identifier: MIT
"""A model, taken apart and captured: what its ATen operations mean at one material point."""

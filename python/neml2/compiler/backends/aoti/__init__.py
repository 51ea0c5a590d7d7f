# SPDX-License-Identifier: MIT
"""The backend aoti: one AOT-Inductor kernel for each graph of a plan."""

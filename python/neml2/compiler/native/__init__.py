# SPDX-License-Identifier: MIT
"""The native backend: point graphs become one C++ kernel per model, compiled to a shared object with a C boundary.

builder -> program (steps over one graph)      program.py
program -> numbers, for reference              interpret.py
graph -> statements                            printer.py, analysis.py
program -> translation unit                    kernel.py, loops.py, pieces.py
translation unit -> shared object              toolchain.py
shared object -> calls with NumPy arrays       host.py
program -> package                             package.py
"""

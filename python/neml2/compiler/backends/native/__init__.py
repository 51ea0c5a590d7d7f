# SPDX-License-Identifier: MIT
"""The native backend: a program becomes one C++ kernel, compiled to a shared object with a C boundary.

captured segments -> program                   lower.py, ../../graph/assemble.py
graph -> statements                            printer.py, ../../graph/analysis.py
program -> translation unit                    kernel.py, loops.py, pieces.py
translation unit -> shared object              toolchain.py
shared object -> calls with NumPy arrays       host.py
program -> package                             package.py
"""

# SPDX-License-Identifier: MIT
"""Instruction sets a package can be compiled for: the x86-64 levels, or what any CPU of the architecture has."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

# name -> (-march, vector width in bits, flags of /proc/cpuinfo that it takes); best first
LEVELS: dict[str, tuple[str, int, frozenset[str]]] = {
    "avx512": (
        "x86-64-v4",
        512,
        frozenset(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma", "bmi2", "f16c")),
    ),
    "avx2": ("x86-64-v3", 256, frozenset(("avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"))),
    "generic": ("x86-64", 0, frozenset()),
}


@cache
def cpu_flags() -> frozenset[str]:
    """Instruction-set flags of this CPU as Linux reports them; empty where unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.split(":")[1].split()) for line in lines if line.startswith("flags")), frozenset())


def best() -> str:
    """The best level that this CPU has."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "generic"
    return next(name for name, (_, _, flags) in LEVELS.items() if flags <= cpu_flags())

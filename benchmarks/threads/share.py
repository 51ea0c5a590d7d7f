# SPDX-License-Identifier: MIT
"""Team beside oneTBB and OpenMP on the same chunks, on quiet cores and beside a busy loop for every core.

    python benchmarks/threads/share.py PROGRAM [--threads 2] [--seconds 0.5] [--repeats 5]

PROGRAM is `bench_share` (target of the same name). A figure is the median over the repeats.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from scenes import busy, quiet


def main() -> int:
    parser = argparse.ArgumentParser(description="Team beside oneTBB and OpenMP.")
    parser.add_argument("program", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    command = [str(options.program), str(options.threads), str(options.seconds)]
    print("| scene | work us | way | mean us | median us | 99 % us | over serial |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for scene, surroundings in (("idle", quiet), ("busy", busy)):
        found: dict[tuple[str, str], list[list[float]]] = {}
        for _ in range(options.repeats):
            with surroundings():
                lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            for work, way, *figures in map(str.split, lines):
                found.setdefault((work, way), []).append([float(x) for x in figures])
        rows = {key: [statistics.median(x) for x in zip(*runs, strict=True)] for key, runs in found.items()}
        for (work, way), figures in rows.items():
            gain = rows[work, "serial"][0] / figures[0]
            print(f"| {scene} | {work} | {way} | " + " | ".join(f"{x:.1f}" for x in figures) + f" | {gain:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

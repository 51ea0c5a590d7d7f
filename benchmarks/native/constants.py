# SPDX-License-Identifier: MIT
"""Measures what the native backend takes for granted: from how many points on lanes go across points, what an operation
takes, and from how much work on a second thread pays. README.md holds what it printed, and where the numbers went.

    python benchmarks/native/constants.py [--seconds 0.2] [--isa avx2]
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import torch

import neml2
from neml2.compiler.backends.native import package, toolchain
from neml2.compiler.backends.native.lower import program_of
from neml2.compiler.backends.native.text import kernel
from neml2.compiler.graph.program import Program
from neml2.compiler.package import isa
from neml2.compiler.plan.layout import Request
from neml2.compiler.plan.segments import capture_model

HERE = Path(__file__).resolve().parent
MODELS = ("isoharden", "radret", "chaboche2", "chaboche6")
FEW = (1, 2, 3, 4, 6, 8)
MANY = (64, 128, 256, 512, 1024, 4096)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", default="0.2", help="for each measurement")
    parser.add_argument("--isa", default=isa.best(), choices=isa.LEVELS, help="default: this CPU's best")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ramp = Path(folder) / "ramp"
        include = toolchain.include_folder()
        flags = ["-std=c++17", "-O2", "-fopenmp", "-I", str(include)]
        subprocess.run([toolchain.compiler(), *flags, str(HERE / "ramp.cpp"), "-ldl", "-o", str(ramp)], check=True)
        for name in MODELS:
            measure(name, ramp, Path(folder), options.seconds, options.isa)


def measure(name: str, ramp: Path, folder: Path, seconds: str, level: str) -> None:
    made = program(name)
    libraries = {
        layout: toolchain.build(kernel.source(made, wide_from=first), folder / f"{name}_{first}.so", level)
        for layout, first in (("one point", 1 << 30), ("wide", 1))
    }
    few = {layout: run(ramp, library, seconds, FEW) for layout, library in libraries.items()}
    print(f"{name}: us per call, forward and with tangent")
    for points in FEW:
        columns = [f"{layout} {points * t:7.2f}" for layout, rows in few.items() for t in rows[points, 1]]
        print(f"  {points:5} points   {'   '.join(columns)}")
    operations, many = package.work(made), run(ramp, libraries["wide"], seconds, MANY)
    print(f"{name}: {operations:.0f} operations a point; with tangent, us per call on one and two threads")
    for points in MANY:
        one, two = (points * many[points, threads][1] for threads in (1, 2))
        nanoseconds = one / points / operations * 1e3
        print(f"  {points:5} points   one {one:8.1f}   two {two:8.1f}   ns an operation {nanoseconds:.4f}", flush=True)


def program(name: str) -> Program:
    model = neml2.load_model(HERE.parent / "implicit" / f"{name}.i", "model")
    return program_of(capture_model(model, Request(pairs=[("stress", "strain")]), torch.float64))


def run(
    ramp: Path, library: Path, seconds: str, batches: tuple[int, ...]
) -> dict[tuple[int, int], tuple[float, float]]:
    """(points, threads) -> microseconds per point: forward, with tangent."""
    command = [str(ramp), str(library), seconds, *map(str, batches)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    rows = [line.split() for line in lines]
    return {(int(r[0]), int(r[1])): (float(r[2]), float(r[4])) for r in rows}


if __name__ == "__main__":
    main()

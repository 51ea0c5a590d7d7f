# SPDX-License-Identifier: MIT
"""Measures long functions, written in loops and written out: lines, seconds that the compiler takes, and microseconds
a point. README.md holds what it printed.

    python benchmarks/native/loops.py [--points 1024]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from neml2.compiler.backends.native import host, toolchain
from neml2.compiler.backends.native.text import kernel, loops
from neml2.native import NumericalFunction

Case = tuple[NumericalFunction, dict[str, tuple[float, float]]]


def slip_systems(count: int) -> Case:
    """Rates of slip systems, and how they harden each other."""
    schmid, strengths, hardening = (torch.rand(count, n, dtype=torch.float64) + 0.5 for n in (6, count, count))

    def rates(stress, density):
        resolved = schmid @ stress
        rate = torch.sign(resolved) * (torch.abs(resolved) / (strengths @ density)) ** 5.0
        return schmid.T @ rate, hardening @ torch.abs(rate)

    inputs = {"stress": (6,), "density": (count,)}
    made = NumericalFunction(rates, inputs, ["plastic_rate", "density_rate"], name=f"slip_{count}")
    return made, {"stress": (-1, 1), "density": (0.5, 1.5)}


def network(width: int) -> Case:
    """Two layers of a neural network."""
    first, second = (torch.randn(width, width, dtype=torch.float64) / width**0.5 for _ in range(2))

    def layers(x):
        return torch.tanh(second @ torch.tanh(first @ x))

    return NumericalFunction(layers, {"x": (width,)}, ["y"], name=f"network_{width}"), {"x": (-1, 1)}


CASES: tuple[Callable[[], Case], ...] = (
    lambda: slip_systems(24),
    lambda: slip_systems(48),
    lambda: slip_systems(96),
    lambda: network(64),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=1024)
    options = parser.parse_args()
    torch.manual_seed(0)
    print(f"{'function':12} {'operations':>10}  {'written':8} {'lines':>7} {'g++ s':>7} {'us/point':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            function, ranges = case()
            (step,) = function.program.forward.steps
            operations = function.program.graph.count([node for _, node in step.stores])
            for written, long in (("in loops", 0), ("out", 1 << 60)):
                loops.LONG = long
                text = kernel.source(function.program)
                begin = perf_counter()
                path = toolchain.build(text, Path(folder) / f"{function.name}_{long}.so")
                took = perf_counter() - begin
                least = time(host.Library(path), function, ranges, options.points)
                lines = text.count("\n")
                print(f"{function.name:12} {operations:10}  {written:8} {lines:7} {took:7.2f} {least:9.3f}", flush=True)


def time(library: host.Library, function: NumericalFunction, ranges: dict[str, tuple[float, float]], points: int):
    """The least microseconds for a point of a batch, on one thread."""
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(*ranges[name], size=(points, *shape)) for name, shape in function.inputs.items()}
    least = float("inf")
    for _ in range(20):
        begin = perf_counter()
        library.forward(values)
        least = min(least, perf_counter() - begin)
    return least / points * 1e6


if __name__ == "__main__":
    main()

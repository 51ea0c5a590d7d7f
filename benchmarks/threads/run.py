# SPDX-License-Identifier: MIT
"""Two threads beside one, along the ramp of benchmarks/implicit: quiet cores, busy cores, four processes at once.

    python benchmarks/threads/run.py PROGRAM [--models isoharden ...] [--batches 64 ...] [--scenes idle busy processes]

PROGRAM is `bench_implicit` (target of the same name). In each repeat the compared runs follow one another, so that a
change of the machine's load meets all of them; a figure is the median of the repeats' ratios, with least and largest.

idle       two threads over one, nobody else at work
busy       the same, with a busy loop for every core
processes  four processes at once with as many threads as they choose, over four with one thread each
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scenes import busy, quiet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "implicit"))

MODELS = ("isoharden", "chaboche2", "chaboche6")
BATCHES = (64, 256, 1024, 4096, 16384)
Times = dict[tuple[str, int], float]


def main() -> int:
    parser = argparse.ArgumentParser(description="Two threads beside one.")
    parser.add_argument("program", type=Path)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--backends", nargs="+", default=["native"], choices=["aoti", "native"])
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--seconds", type=float, default=0.3, help="for each measurement")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    from run import compiled  # of benchmarks/implicit

    print("| scene | model | backend | operation | points | one us | ratio | least | largest |")
    print("|---|---|---|---|---:|---:|---:|---:|---:|")
    for model in options.models:
        for backend in options.backends:
            with tempfile.TemporaryDirectory() as folder:
                metadata = compiled(model, backend, Path(folder))
                if metadata is not None:
                    for scene in options.scenes:
                        compare(scene, model, backend, metadata, options)
    return 0


def compare(scene: str, model: str, backend: str, metadata: Path, options: argparse.Namespace) -> None:
    """Print a line for each batch and operation: how many times faster the second run of a scene is than the first."""
    surroundings, runs = SCENES[scene]
    for points in options.batches:

        def run(environment: dict[str, str], processes: int, points: int = points) -> Times:
            command = [options.program, metadata, environment["THREADS"], options.seconds, points]
            return together([str(c) for c in command], environment, processes)

        with surroundings():
            pairs = [runs(run) for _ in range(options.repeats)]
        for key in pairs[0][0]:
            ratios = [one[key] / other[key] for one, other in pairs]
            base = statistics.median(one[key] for one, _ in pairs)
            figures = " | ".join(f"{x:.2f}" for x in (base, statistics.median(ratios), min(ratios), max(ratios)))
            print(f"| {scene} | {model} | {backend} | {key[0]} | {key[1]} | {figures} |", flush=True)


def together(command: list[str], environment: dict[str, str], processes: int) -> Times:
    """Microseconds per step (medians within a process, the mean over the processes) by operation and points."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    started = [
        subprocess.Popen(command, env={**clean, **environment}, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    found: dict[tuple[str, int], list[float]] = {}
    for process in started:
        for line in process.communicate()[0].splitlines():
            operation, points, _, _, median, *_ = line.split()
            if operation != "memcpy":
                found.setdefault((operation, int(points)), []).append(float(median))
    return {key: statistics.mean(values) for key, values in found.items()}


Run = Callable[[dict[str, str], int], Times]


def one_and_two(run: Run) -> tuple[Times, Times]:
    return run({"THREADS": "1"}, 1), run({"THREADS": "2"}, 1)


def four_and_four(run: Run) -> tuple[Times, Times]:
    return run({"THREADS": "1"}, 4), run({"THREADS": "0"}, 4)


SCENES = {"idle": (quiet, one_and_two), "busy": (busy, one_and_two), "processes": (quiet, four_and_four)}

if __name__ == "__main__":
    sys.exit(main())

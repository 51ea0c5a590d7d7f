# SPDX-License-Identifier: MIT
"""Cost of a call of a compiled model: microseconds from C++ and from Python, at 1 to a million points.

Linear elasticity (6 numbers in, 6 out, a constant 6 x 6 stiffness) costs next to nothing to evaluate, so what is
measured is the runtime. Beside it stand the bare AOT-Inductor runner of the same graph, on data that is in the graph's
own layout already, and a memcpy of the same bytes.

Prints a table for each number of threads; ``--output`` keeps it as Markdown.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

INPUT = """\
[Models]
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients      = '200e3          0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
  []
[]
"""
POINTS = (1, 100, 10_000, 1_000_000)
Table = dict[str, dict[int, float]]  # microseconds by operation and number of points


def compile_package(folder: Path) -> Path:
    """Folder of the compiled package; compiled anew in each run, since the compiler may have changed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "input.i").write_text(INPUT)
    command = [
        sys.executable,
        "-m",
        "neml2.cli.compile",
        "input.i",
        "--model",
        "elasticity",
        "-d",
        "stress:strain",
        "-q",
    ]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "aoti" / "elasticity" / "cpu"


def measure(call: Callable[[], object]) -> float:
    """Microseconds of one call: the best of many rounds, each just long enough to be timed."""

    def once(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls * 1e6

    once(3)
    calls = min(5000, max(1, int(500 / once(10))))
    best, spent = once(calls), 0.0
    while spent < 600e3:
        best = min(best, once(calls))
        spent += best * calls
    return best


def from_cpp(program: Path, package: Path, threads: int) -> Table:
    done = subprocess.run([program, package, str(threads)], check=True, capture_output=True, text=True)
    table: Table = {}
    for line in done.stdout.splitlines():
        operation, points, microseconds = line.split()
        table.setdefault(operation, {})[int(points)] = float(microseconds)
    return table


def from_python(package: Path, threads: int) -> Table:
    import torch

    from neml2.aoti import Model

    torch.set_num_threads(threads)
    model = Model(package / "elasticity_meta.json")
    table: Table = {}
    for points in POINTS:
        inputs = {"strain": torch.rand(points, 6, dtype=torch.float64)}
        tangents = {"strain": torch.rand(points, 6, dtype=torch.float64)}
        outputs = {"stress": torch.empty(points, 6, dtype=torch.float64)}
        calls: dict[str, Callable[[], object]] = {
            "forward": lambda i=inputs: model.forward(i),
            "forward_into": lambda i=inputs, o=outputs: model.forward_into(i, o),
            "jacobian": lambda i=inputs: model.jacobian(i),
            "jvp": lambda i=inputs, t=tangents: model.jvp(i, t),
        }
        for name, call in calls.items():
            table.setdefault(f"{name}, Python", {})[points] = measure(call)
    return table


def show(table: Table) -> str:
    lines = [
        "| microseconds | " + " | ".join(f"{p:,} points" for p in POINTS) + " |",
        "|---|" + "---:|" * len(POINTS),
    ]
    for name, row in table.items():
        lines.append(f"| {name} | " + " | ".join(f"{row[p]:.2f}" for p in POINTS) + " |")
    return "\n".join(lines)


def targets(table: Table) -> str:
    """The figures that the project holds itself to."""
    large = POINTS[-1]
    rows = [
        ("forward / bare runner, 1 point", table["forward"][1] / table["bare"][1], "<= 1.3"),
        ("Python over C++ forward, 1 point, us", table["forward, Python"][1] - table["forward"][1], "<= 4"),
        ("jvp / forward, 1 point", table["jvp"][1] / table["forward"][1], "<= 3"),
        ("jvp / forward, 1e6 points", table["jvp"][large] / table["forward"][large], "<= 3"),
        ("memcpy / forward_into, 1e6 points", table["memcpy"][large] / table["forward_into"][large], ">= 0.8"),
    ]
    lines = ["| figure | measured | target |", "|---|---:|---|"]
    return "\n".join(lines + [f"| {name} | {value:.2f} | {target} |" for name, value, target in rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/python"), help="build folder of the C++ program")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=Path, help="Markdown file for the tables")
    options = parser.parse_args()
    program = (options.build / "benchmarks" / "overhead" / "bench_overhead").resolve()
    package = compile_package((options.build.parent / "bench_overhead").resolve())
    text = []
    for threads in options.threads:
        table = from_cpp(program, package, threads) | from_python(package, threads)
        text.append(f"## {threads} thread{'s' if threads > 1 else ''}\n\n{show(table)}\n\n{targets(table)}\n")
        print(text[-1], flush=True)
    if options.output:
        options.output.write_text("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())

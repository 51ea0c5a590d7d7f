# SPDX-License-Identifier: MIT
"""Crystals: updates per second and seconds to compile, as tables in markdown.

    python benchmarks/crystal/run.py [--models scpcoup ...] [--points 1 16 256 4096] [--grains 1 16 256 1024]
                                     [--routes eager aoti native] [--threads 1 2] [--seconds 1]

An update is one step of one crystal. The states are kept from a walk along the load of the model (cases.py), evenly
spread from its first to its last step, so that elastic and plastic steps count as they do in a run; each route is
given the same. Compiled models are measured from C++ (replay.cpp, target bench_crystal, which is built first). With
one thread a figure comes from the time of the processor, so that a machine with other work to do tells nearly the
same; with more threads from the wall clock. The spread is that of the quartiles over the repeats.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from cases import CASES, Case, State, states  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--points", nargs="+", type=int, default=[1, 16, 256, 4096])
    parser.add_argument("--grains", nargs="+", type=int, default=[1, 16, 64, 256, 1024])
    parser.add_argument("--routes", nargs="+", default=["eager", "aoti", "native"], choices=["eager", "aoti", "native"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--states", type=int, default=50, help="kept from a walk")
    parser.add_argument("--eager", type=int, default=16, help="most points, or grains, of eager models")
    parser.add_argument("--patience", type=float, default=300, help="seconds after which compiling is given up")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "python", help="CMake's folder")
    options = parser.parse_args()
    target = ["--build", str(options.build), "--target", "bench_crystal"]
    subprocess.run(["cmake", *target], check=True, stdout=subprocess.DEVNULL)
    print_machine()
    tables = [measured(CASES[name], options) for name in options.models]
    print_rates([row for rates, _ in tables for row in rates])
    print_compiles([row for _, compiles in tables for row in compiles])
    return 0


def print_machine() -> None:
    import torch

    import neml2

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    gcc = subprocess.run(
        [os.environ.get("CXX", "c++"), "-dumpfullversion"], capture_output=True, text=True
    ).stdout.strip()
    load = os.getloadavg()[0]
    print(f"{cpu}, {os.cpu_count()} cores, load {load:.1f}; neml2 {neml2.__version__}, torch {torch.__version__}, "
          f"g++ {gcc}, Python {platform.python_version()}\n")  # fmt: skip


@dataclass
class Rate:
    """Microseconds an update: median, and quartiles."""

    model: str
    crystals: int
    route: str
    threads: int
    operation: str
    median: float
    low: float
    high: float


@dataclass
class Compiled:
    model: str
    route: str
    processor: float
    wall: float
    why_not: str = ""


def measured(case: Case, options: argparse.Namespace) -> tuple[list[Rate], list[Compiled]]:
    rates, compiles = [], []
    compiled_routes = [route for route in ("native", "aoti") if route in options.routes]
    for crystals in options.grains if case.by_grain else options.points:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            kept: State | None = None
            for route in compiled_routes:
                metadata = metadata_of(case, route, crystals, options, compiles)
                if metadata is None:
                    continue
                if kept is None:
                    kept = walk(metadata, case, crystals, options.states)
                    write(kept, folder)
                for threads in options.threads:
                    rates += replay(case, route, crystals, threads, metadata, folder, options)
            if "eager" in options.routes and kept is not None and crystals <= options.eager:
                rates += eager(case, crystals, kept)
    return rates, compiles


PACKAGES: dict[tuple[str, str, int], Path | None] = {}
"""Metadata by model, route and number of grains. Each is compiled once, with nothing kept from before."""
WORK = tempfile.TemporaryDirectory()


def metadata_of(
    case: Case, route: str, crystals: int, options: argparse.Namespace, compiles: list[Compiled]
) -> Path | None:
    key = case.name, route, crystals if case.by_grain else 0
    if key in PACKAGES:
        return PACKAGES[key]
    label = f"{case.name}, {crystals} grains" if case.by_grain else case.name
    out = Path(WORK.name) / "-".join(map(str, key))
    command = [sys.executable, "-m", "neml2.cli.compile", str(case.path), "--model", "model", "-d", case.tangent]
    command += ["-o", str(out), "--backend", route, "-q", *([f"grains={crystals}"] if case.by_grain else [])]
    command += ["--load", str(HERE / case.extension)] if case.extension else []
    environment = {
        **os.environ,
        "NEML2_CACHE_DIR": str(out / "cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(out / "inductor"),
    }
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    why_not = ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=options.patience)
        if done.returncode:
            why_not = (done.stderr.strip().splitlines() or ["failed"])[-1][:100]
    except subprocess.TimeoutExpired:
        why_not = f"more than {options.patience:.0f} s"
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    compiles.append(Compiled(label, route, processor, wall, why_not))
    found = sorted(out.glob("model/*/model_meta.json"))
    PACKAGES[key] = found[0] if found and not why_not else None
    note(f"compiled {label}, {route}: {processor:.1f} s {why_not}")
    return PACKAGES[key]


def walk(metadata: Path, case: Case, crystals: int, count: int) -> State:
    from neml2.aoti import Model

    model = Model(metadata)
    return states(model.forward, model.input_base_shapes, case, crystals, count)


def write(kept: State, folder: Path) -> None:
    with (folder / "inputs.txt").open("w") as list_of_inputs:
        for k, (name, values) in enumerate(kept.items()):
            values.contiguous().numpy().tofile(folder / f"{k}.bin")
            print(name, *values.shape, file=list_of_inputs)


def replay(
    case: Case, route: str, crystals: int, threads: int, metadata: Path, folder: Path, options: argparse.Namespace
) -> list[Rate]:
    program = options.build / "benchmarks" / "crystal" / "bench_crystal"
    command = [program, metadata, folder, threads, options.seconds]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    rates = []
    for line in done.stdout.splitlines():
        operation, *numbers = line.split()
        median, low, high = (float(x) / crystals for x in (numbers[3:6] if threads == 1 else numbers[0:3]))
        rates.append(Rate(case.name, crystals, route, threads, operation, median, low, high))
        note(f"{case.name} {crystals} {route} {threads} {operation}: {1e6 / median:.3g} updates/s")
    if done.returncode:
        note(f"{case.name} {crystals} {route}: {done.stderr.strip()[:200]}")
    return rates


def eager(case: Case, crystals: int, kept: State, count: int = 5) -> list[Rate]:
    """The model in PyTorch, one thread; values only."""
    import torch

    from neml2.cli._common import load

    torch.set_num_threads(1)
    extensions = [str(HERE / case.extension)] if case.extension else []
    source = load(str(case.path), [f"grains={crystals}"] if case.by_grain else [], extensions)
    model = source.get_model("model")
    kinds = {name: (kind, len(kind.BASE_SHAPE)) for name, kind in model.input_spec.items()}
    every, times = max(len(kept["t"]) // count, 1), []
    for k in (0, *range(0, len(kept["t"]), every)):
        inputs = {n: kind(kept[n][k], sub_batch_ndim=kept[n].ndim - 2 - base) for n, (kind, base) in kinds.items()}
        begin = time.process_time()
        with torch.no_grad():
            model.evaluate(inputs)
        times.append((time.process_time() - begin) * 1e6 / crystals)
    del times[0]  # the first call imports and prepares
    low, _, high = statistics.quantiles(times, n=4)
    return [Rate(case.name, crystals, "eager", 1, "forward", statistics.median(times), low, high)]


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_rates(rates: list[Rate]) -> None:
    """A line for each model, route and number of threads; updates per second, with the spread in per cent."""
    for title, by_grain in (("crystals", False), ("grains of one polycrystal", True)):
        rows = [rate for rate in rates if CASES[rate.model].by_grain == by_grain]
        columns = sorted({rate.crystals for rate in rows})
        if not rows:
            continue
        print(f"Updates per second by the number of {title}; half the spread of the quartiles in per cent.\n")
        print("| model | route | threads | | " + " | ".join(map(str, columns)) + " |")
        print("|---|---|---|---|" + "---:|" * len(columns))
        lines: dict[tuple[str, str, int, str], dict[int, str]] = {}
        for rate in rows:
            spread = 50 * (rate.high - rate.low) / rate.median
            key = rate.model, rate.route, rate.threads, rate.operation
            lines.setdefault(key, {})[rate.crystals] = f"{short(1e6 / rate.median)} ±{spread:.0f}"
        for key, cells in sorted(lines.items(), key=lambda item: (list(CASES).index(item[0][0]), *item[0][1:3])):
            print("| " + " | ".join(map(str, key)) + " | " + " | ".join(cells.get(c, "") for c in columns) + " |")
        print()


def short(x: float) -> str:
    mantissa, exponent = f"{x:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def print_compiles(compiles: list[Compiled]) -> None:
    if not compiles:
        return
    print("Seconds to compile with tangent, nothing kept from before: of the processor, and on the clock.\n")
    print("| model | route | processor | clock |\n|---|---|---:|---:|")
    for row in sorted(compiles, key=lambda row: row.route):
        print(f"| {row.model} | {row.route} | {row.why_not or f'{row.processor:.1f}'} | {row.wall:.1f} |")


if __name__ == "__main__":
    sys.exit(main())

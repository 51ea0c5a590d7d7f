# SPDX-License-Identifier: MIT
"""Implicit updates: microseconds and updates per second along a strain ramp of 100 steps.

    python benchmarks/implicit/run.py PROGRAM [--models isoharden ...] [--batches 1 ...] [--backends aoti native]

PROGRAM is `bench_implicit` (target of the same name), which measures compiled models from C++. Eager models are
measured up to the batch `--eager`. The reference is a Newton loop over the same equations written by hand with torch
operations (isoharden only), and a memcpy of the bytes that an update reads and writes. Memory is the growth of the
peak of a process during one call at the largest batch, in units of inputs + outputs + one tangent.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS = ("isoharden", "radret", "chaboche2", "chaboche4", "chaboche6")
BATCHES = (1, 16, 256, 4096, 16384)
STEPS = 100


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost of implicit updates.")
    parser.add_argument("program", type=Path)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--backends", nargs="+", default=["aoti", "native"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--eager", type=int, default=16, help="largest batch for eager models")
    options = parser.parse_args()
    print(f"{'model':10} {'route':8} {'operation':9} {'points':>6} {'threads':>7} {'us/step':>10} {'median':>10} "
          f"{'largest':>10} {'cpu us':>10} {'updates/s':>10}")  # fmt: skip
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            for backend in options.backends:
                metadata = compiled(model, backend, Path(folder))
                if metadata is None:
                    continue
                for threads in options.threads:
                    run_program(options, model, backend, metadata, threads)
                memory(model, backend, metadata, max(options.batches))
        for points in (batch for batch in options.batches if batch <= options.eager):
            report(model, "eager", "forward", points, 1, repeat(eager(model, points), 0.0))
        if model == "isoharden":
            for points in options.batches:
                report(model, "by hand", "forward", points, 1, repeat(lambda n=points: by_hand(n), options.seconds))
    return 0


def compiled(model: str, backend: str, folder: Path) -> Path | None:
    """The metadata of a fresh package; None, with a line of why, where the backend cannot make it."""
    flags = ["--model", "model", "-d", "stress:strain", "-o", str(folder / backend), "--backend", backend, "-q"]
    command = [sys.executable, "-m", "neml2.cli.compile", str(HERE / f"{model}.i"), *flags]
    if backend == "aoti":
        command = [c for c in command if c not in ("--backend", "aoti")]
    done = subprocess.run(command, capture_output=True, text=True)
    found = sorted((folder / backend).glob("model/*/model_meta.json"))
    if done.returncode or not found:
        print(f"{model:10} {backend:8} skipped: {(done.stderr.strip().splitlines() or ['no package'])[-1][:90]}")
        return None
    return found[0]


def run_program(options: argparse.Namespace, model: str, backend: str, metadata: Path, threads: int) -> None:
    command = [options.program, metadata, threads, options.seconds, *options.batches]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        operation, points, _, least, median, largest, processor, _ = line.split()
        times = (float(least), float(median), float(largest), float(processor))
        report(model, backend, operation, int(points), threads, times)
    for line in done.stderr.splitlines():
        print(f"{model:10} {backend:8} {line}")


Times = tuple[float, float, float, float]


def report(model: str, route: str, operation: str, points: int, threads: int, times: Times) -> None:
    least, median, largest, processor = times
    rate = points / least * 1e6 if least else float("inf")
    print(f"{model:10} {route:8} {operation:9} {points:6} {threads:7} {least:10.2f} {median:10.2f} {largest:10.2f} "
          f"{processor:10.2f} {rate:10.3g}", flush=True)  # fmt: skip


def repeat(walk: Callable[[], None], seconds: float) -> Times:
    """Microseconds per step of a walk along the ramp: least, median, largest, and least of the processor."""
    walls, processors = [], []
    begin = time.perf_counter()
    while len(walls) < 3 or time.perf_counter() - begin < seconds:
        start, start_processor = time.perf_counter(), time.process_time()
        walk()
        processors.append((time.process_time() - start_processor) / STEPS * 1e6)
        walls.append((time.perf_counter() - start) / STEPS * 1e6)
    return min(walls), statistics.median(walls), max(walls), min(processors)


def forces(points: int, step: int):
    """Strain and time at a step: ends of time spread over the batch from 0.1 to 1e5, as in ramp.cpp."""
    import torch

    end = torch.logspace(-1, 5, points, dtype=torch.float64) if points > 1 else torch.tensor([1e5]).double()
    full = torch.tensor([0.1, -0.05, -0.05, 0, 0, 0], dtype=torch.float64)
    return full.expand(points, 6) * (step / STEPS), end * (step / STEPS)


def eager(model: str, points: int) -> Callable[[], None]:
    import torch

    import neml2

    torch.set_num_threads(1)
    source = neml2.load_model(HERE / f"{model}.i", "model")

    def walk() -> None:
        past: list[dict] = []
        for step in range(STEPS + 1):
            strain, t = forces(points, step)
            now = {"strain": source.input_spec["strain"](strain), "t": source.input_spec["t"](t)}
            if step:
                inputs = {}
                for name, kind in source.input_spec.items():
                    base, _, lag = name.partition("~")
                    known = past[int(lag) - 1] if lag and len(past) >= int(lag) else now
                    zero = torch.zeros(points, *kind.BASE_SHAPE, dtype=torch.float64)
                    inputs[name] = known[base] if base in known else kind(zero)
                with torch.no_grad():
                    now |= source.evaluate(inputs)
            past = [now, *past[:1]]

    return walk


def by_hand(points: int):
    """The updates of isoharden.i: Newton's method on all points at once, with the Jacobian by hand. Returns the last
    stress and equivalent plastic strain, (points, 7)."""
    import torch

    torch.set_num_threads(1)
    E, nu, sy, K, eta = 1e5, 0.3, 5.0, 1000.0, 100.0
    one = torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=torch.float64)
    volumetric = torch.outer(one, one) / 3
    deviatoric = torch.eye(6, dtype=torch.float64) - volumetric
    C = E / (1 - 2 * nu) * volumetric + E / (1 + nu) * deviatoric
    c = (2 / 3) ** 0.5
    x = torch.zeros(points, 7, dtype=torch.float64)
    strain_old, t_old = forces(points, 0)
    for step in range(1, STEPS + 1):
        strain, t = forces(points, step)
        dt, old = t - t_old, x.clone()
        trial = old[:, :6] + (strain - strain_old) @ C
        first = None
        for _ in range(25):
            dev = x[:, :6] @ deviatoric
            norm = dev.norm(dim=-1).clamp(min=1e-12)
            n = dev / norm[:, None]  # sqrt(2/3) of the gradient of the equivalent stress
            over = (norm / c - sy - K * x[:, 6]).clamp(min=0) * c
            rate, slope = (over / eta) ** 2, 2 * over / eta**2
            flow = (dt * rate)[:, None] * n
            residual = torch.cat([x[:, :6] - trial + flow @ C, (x[:, 6] - old[:, 6] - c * dt * rate)[:, None]], -1)
            size = residual.norm(dim=-1)
            first = size if first is None else first
            if bool(((size < 1e-10) | (size < 1e-8 * first)).all()):
                break
            J = torch.eye(7, dtype=torch.float64).repeat(points, 1, 1)
            along = n[:, :, None] * n[:, None, :]
            dflow = (dt * slope)[:, None, None] * along + (dt * rate / norm)[:, None, None] * (deviatoric - along)
            J[:, :6, :6] += C @ dflow
            J[:, :6, 6] -= ((dt * slope * c * K)[:, None] * n) @ C
            J[:, 6, :6] -= (c * dt * slope)[:, None] * n
            J[:, 6, 6] += c * c * dt * slope * K
            x = x - torch.linalg.solve(J, residual[..., None])[..., 0]
        strain_old, t_old = strain, t
    return x


MEMORY = """
import sys, torch
from neml2.aoti import Model
model, points = Model(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
def peak():
    return next(int(line.split()[1]) * 1024 for line in open('/proc/self/status') if line.startswith('VmHWM'))
def make(n):
    made = {k: torch.zeros(n, *s, dtype=torch.float64) for k, s in model.input_base_shapes.items()}
    made['strain'] += torch.tensor([0.01, -0.005, -0.005, 0, 0, 0])
    made['t'] += 1.0
    return made
model.jacobian(make(64))
before = peak()
inputs = make(points)
values, blocks = model.jacobian(inputs)
size = sum(v.nbytes for v in [*inputs.values(), *values.values(), *(b for r in blocks.values() for b in r.values())])
print((peak() - before) / size)
"""


def memory(model: str, backend: str, metadata: Path, points: int) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, str(metadata), str(points)], capture_output=True, text=True)
    value = done.stdout.strip() or (done.stderr.strip().splitlines() or ["?"])[-1]
    print(f"{model:10} {backend:8} memory at {points} points: {value[:60]} of inputs, outputs and tangent")


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""Cost of derivatives: one call of viscoplasticity forward, along a direction (jvp), back (vjp) and in full (jacobian),
for both backends; the gradient of a history by all parameters, beside the run itself, compiled and eager.

Prints Markdown tables: medians over rounds, with the spread between the quartiles. Compiles what it measures first.
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

import torch

import neml2
from neml2.aoti import Model, load_model
from neml2.drivers.adjoint import History
from neml2.hit import load_string

F64 = torch.float64
LAWS = Path(__file__).parents[1] / "implicit"
POINTS = (1, 1_000, 100_000)
STEPS = 200
ROUNDS = 9


def compiled(law: str, backend: str, folder: Path) -> Model:
    """`law` with all parameters promoted, and derivatives of the stress by strain, old stress and all of them."""
    text = (LAWS / f"{law}.i").read_text()
    eager = load_string(text).get_model("model")
    parameters = [name for name, _ in eager.named_parameters()]
    flags = [flag for name in parameters for flag in ("-p", name, "-d", f":{name}")]
    where = folder / backend
    where.mkdir(parents=True, exist_ok=True)
    (where / f"{law}.i").write_text(text)
    command = [sys.executable, "-m", "neml2.cli.compile", f"{law}.i", "--model", "model", "--backend", backend, "-q"]
    subprocess.run([*command, "-d", ":", *flags], cwd=where, check=True)
    return load_model(where / "aoti" / "model_aoti.i", "model")


def measure(call: Callable[[], object]) -> tuple[float, float]:
    """Median and spread in milliseconds, over rounds that are each long enough to be timed."""

    def once(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls * 1e3

    once(1)
    calls = max(1, int(20 / max(once(1), 1e-3)))
    found = sorted(once(calls) for _ in range(ROUNDS))
    return statistics.median(found), found[-ROUNDS // 4] - found[ROUNDS // 4]


def path(points: int) -> dict[str, torch.Tensor]:
    """Cyclic straining far beyond yield, each point along a direction of its own."""
    way = torch.randn(points, 6, dtype=F64, generator=torch.Generator().manual_seed(0))
    s = torch.linspace(0, 1, STEPS + 1, dtype=F64)
    return {"strain": 3e-3 * torch.sin(12 * s)[:, None, None] * way / way.norm(dim=1, keepdim=True), "t": 10 * s}


def one_call(model: Model, points: int) -> dict[str, tuple[float, float]]:
    forces = path(points)
    inputs = {n: torch.zeros(points, *shape, dtype=F64) for n, shape in model.input_base_shapes.items()}
    for name in ("strain", "t"):
        inputs[name], inputs[f"{name}~1"] = forces[name][20].clone(), forces[name][19].clone()
    outputs = {n: torch.empty_like(v) for n, v in model.forward(inputs).items()}
    tangent, cotangent = {"strain": inputs["strain"]}, {"stress": torch.ones(points, 6, dtype=F64)}
    by_strain = {"strain": torch.empty(points, 6, dtype=F64)}
    everything = {name: torch.empty_like(v) for name, v in model.vjp(inputs, cotangent)[1].items()}
    block = {"stress": {"strain": torch.empty(points, 6, 6, dtype=F64)}}
    moved = {"stress": torch.empty(points, 6, dtype=F64)}
    return {
        "forward": measure(lambda: model.forward_into(inputs, outputs)),
        "jvp, along strain": measure(lambda: model.jvp_into(inputs, tangent, {}, moved)),
        "vjp, to strain": measure(lambda: model.vjp_into(inputs, cotangent, {}, by_strain)),
        "vjp, to all inputs and parameters": measure(lambda: model.vjp_into(inputs, cotangent, {}, everything)),
        "jacobian, by strain": measure(lambda: model.jacobian_into(inputs, {}, block)),
    }


def histories(law: str, model: Model, points: int) -> dict[str, tuple[float, float]]:
    forces = path(points)
    parameters = {name: p.clone() for name, p in model.named_parameters().items()}
    history = History(model, forces, parameters=parameters)
    names = list(parameters)

    def work(step: int, outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return (outputs["stress"] ** 2).sum()

    def forward() -> None:
        states: dict = {}
        for step, outputs in history.walk(states, 1, STEPS):
            work(step, outputs)

    size = STEPS * points * sum(p.numel() for p in model.forward(history._arguments(1, {})).values()) // points * 8
    return {
        f"{STEPS} steps forward": measure(forward),
        f"with the gradient by {len(names)} parameters": measure(lambda: history.gradient(work, names)),
        "the same in a quarter of the memory": measure(lambda: history.gradient(work, names, memory=size // 2)),
    }


def eager(law: str, points: int) -> tuple[float, float]:
    """Seconds of a step forward and back in PyTorch, as milliseconds."""
    model = load_string((LAWS / f"{law}.i").read_text()).get_model("model")
    forces = path(points)
    values = {n: t.BASE_SHAPE for n, t in model.input_spec.items()}
    inputs = {n: torch.zeros(points, *shape, dtype=F64) for n, shape in values.items()}
    for name in ("strain", "t"):
        inputs[name], inputs[f"{name}~1"] = forces[name][20], forces[name][19]

    def step() -> None:
        state = {n: model.input_spec[n](v) for n, v in inputs.items()}
        model.evaluate(state)["stress"].data.sum().backward()

    return measure(step)


def table(title: str, columns: dict[str, dict[str, tuple[float, float]]]) -> str:
    rows = list(next(iter(columns.values())))
    lines = [f"| {title} | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for row in rows:
        cells = (f"{found[row][0]:.4g} ± {found[row][1]:.2g}" if row in found else "" for found in columns.values())
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--law", default="chaboche2", help="an input file of benchmarks/implicit")
    parser.add_argument("--backends", nargs="+", default=["native", "aoti"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"neml2 {neml2.__version__}, {options.law}, {options.threads} thread(s); milliseconds\n")
    with tempfile.TemporaryDirectory() as folder:
        for backend in options.backends:
            model = compiled(options.law, backend, Path(folder))
            print(table(f"{backend}, a call", {f"{p:,} points": one_call(model, p) for p in POINTS}), flush=True)
            sizes = (1, 1_000)
            print(table(f"{backend}, a history", {f"{p:,} points": histories(options.law, model, p) for p in sizes}))
    step = {f"{p:,} points": {"a step forward and back": eager(options.law, p)} for p in (1, 1_000)}
    print(table("eager", step))
    return 0


if __name__ == "__main__":
    sys.exit(main())

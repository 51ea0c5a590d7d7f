# SPDX-License-Identifier: MIT
"""A native package: folder, stub and metadata as of any other, with a shared object for each instruction set."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

from neml2.compiler.backends.native import toolchain
from neml2.compiler.backends.native.text import kernel
from neml2.compiler.graph.pointgraph import LEAVES, PointGraph
from neml2.compiler.graph.program import Linear, Program, Solve
from neml2.compiler.package import isa, kernel_cache, staging
from neml2.compiler.package.contents import Progress, files, versions
from neml2.compiler.package.seal import sealed
from neml2.compiler.plan.plan import SCHEMA, Plan

_TYPICAL_ITERATIONS = 3


def write(
    plan: Plan,
    program: Program,
    folder: Path,
    levels: Sequence[str],
    dtype: str,
    extra: dict[str, Any],
    jobs: int,
    progress: Progress,
) -> Path:
    """Compile `program` for the instruction sets `levels` (names of isa.LEVELS) into `folder`; returns the metadata's
    path. `plan` describes the interface. Raises BuildError, OSError."""
    levels = sorted(dict.fromkeys(levels), key=list(isa.LEVELS).index)
    kernels = {level: f"{plan.name}_{level}.so" for level in levels}
    text = kernel.source(program, {"float64": "double", "float32": "float"}[dtype])
    name = f"{plan.name}_meta.json"
    with staging.staged(folder) as new:
        _build_all(text, kernels, new, jobs, progress)
        metadata = {
            "schema": SCHEMA,
            "backend": "native",
            "versions": versions(),
            "device": "cpu",
            "dtype": dtype,
            "isa": levels[-1],
            "lanes": 1,
            **plan.metadata(),
            "kernels": [{"isa": level, "file": file} for level, file in kernels.items()],
            "work": work(program),
            "files": files(new),
            **extra,
        }
        (new / name).write_text(sealed(metadata))
    return folder / name


def _build_all(text: str, files: dict[str, str], folder: Path, jobs: int, progress: Progress) -> None:
    start = perf_counter()
    with ThreadPoolExecutor(max(min(jobs // 2, len(files)), 1)) as pool:  # a build takes two processes
        running = {file: pool.submit(_build, text, folder / file, level) for level, file in files.items()}
        for done, (file, future) in enumerate(running.items()):
            progress(file, done, len(files), perf_counter() - start)
            future.result()
    progress("", len(files), len(files), perf_counter() - start)


def _build(text: str, target: Path, level: str) -> None:
    """The shared object of `text`, from the cache of kernels if it is there."""
    name = f"native_{kernel_cache.key(*toolchain.made_from(text, level))}"

    def build(path: Path, scratch: Path) -> None:
        toolchain.build(text, path, level)

    target.write_bytes(kernel_cache.fetch(name, build, suffix=".so", what=target.stem))


def work(program: Program) -> float:
    """Arithmetic operations of one point, roughly, for the runtime's choice of threads."""
    graph, total = program.graph, 0
    function = program.jacobian or program.forward
    nodes = [n for out in (*function.outputs, *function.derivatives) for n in out]
    for step in function.steps:
        if isinstance(step, Solve):
            system = _count(graph, [*step.residual, *(e for row in step.jacobian for e in row)])
            total += _TYPICAL_ITERATIONS * (system + _elimination(step, 1))
        elif isinstance(step, Linear):
            total += _elimination(step.solve, len(step.right[0]))
            nodes += [e for row in step.right for e in row]
        else:
            nodes += [n for _, n in step.stores]
    return float(total + _count(graph, nodes) + len(nodes))


def _count(graph: PointGraph, nodes: list[int]) -> int:
    """Operations behind nodes, at all sites."""
    return sum(max(graph.size[n], 1) for n in graph.reachable(nodes) if graph.op[n] not in LEAVES)


def _elimination(solve: Solve, columns: int) -> int:
    """Operations of a linear solve."""
    n, border, sites = len(solve.unknowns), 0, 1
    if solve.system:
        n, border = len(solve.system.local), len(solve.system.border) + len(solve.system.links)
        sites = solve.system.sites
    return sites * (n**3 // 3 + n * (n + border) * (border + columns)) + border**3 // 3

# SPDX-License-Identifier: MIT
"""Writing a package: compile its kernels side by side, hash every file, and put the folder in place in one step, so
that a compile that is killed leaves the old package or none."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from neml2.compiler import kernel_cache, staging
from neml2.compiler.inductor import Target, compile_kernel
from neml2.compiler.plan import SCHEMA, Artifact, Plan
from neml2.compiler.seal import sealed

Progress = Callable[[str, int, int, float], None]  # (file, how many are done, of how many, seconds)


def write(plan: Plan, folder: Path, target: Target, extra: dict[str, Any], jobs: int, progress: Progress) -> Path:
    """Compile `plan` for `target` into `folder` (an `<output>/<model>/<device>` folder); returns the metadata's path.

    `extra` is added to the metadata. Raises OSError if the folder cannot be written, RuntimeError if a kernel cannot be
    compiled.
    """
    name = f"{plan.name}_meta.json"
    with staging.staged(folder) as new:
        _compile_all(plan.artifacts(), new, target, jobs, progress)
        metadata = {
            "schema": SCHEMA,
            "backend": "aoti",
            "versions": versions(),
            "device": target.device,
            "dtype": target.dtype,
            "isa": target.isa,
            "lanes": target.lanes,
            **plan.metadata(),
            "files": files(new),
            **extra,
        }
        (new / name).write_text(sealed(metadata))
    return folder / name


def files(folder: Path) -> dict[str, dict[str, Any]]:
    """Hash and size of every file of `folder`, by name."""
    return {p.name: {"sha256": kernel_cache.digest(p), "bytes": p.stat().st_size} for p in sorted(folder.iterdir())}


def versions() -> dict[str, str]:
    """What the package was made with."""
    import torch

    import neml2

    compiler = os.environ.get("CXX", "g++")
    try:
        first = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[
            0
        ]
    except (OSError, subprocess.CalledProcessError, IndexError):
        first = compiler
    return {"neml2": neml2.__version__, "torch": torch.__version__, "compiler": first}


def _compile_all(artifacts: Sequence[Artifact], folder: Path, target: Target, jobs: int, progress: Progress) -> None:
    start = perf_counter()
    if jobs <= 1 or len(artifacts) <= 1 or not target.on_cpu:  # a forked process cannot use a GPU
        for k, artifact in enumerate(artifacts):
            progress(artifact.file, k, len(artifacts), perf_counter() - start)
            _compile(artifact, folder, target)
        progress("", len(artifacts), len(artifacts), perf_counter() - start)
        return
    import multiprocessing as mp
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # Children are forked: the graphs are in memory already, and torch need not be imported again.
    workers = min(jobs, len(artifacts))
    with ProcessPoolExecutor(workers, mp_context=mp.get_context("fork"), initializer=_die_with_parent) as pool:
        global _inherited
        _inherited = (artifacts, folder, target)
        order = sorted(range(len(artifacts)), key=lambda k: -len(artifacts[k].kernel.stores))
        running = {pool.submit(_compile_inherited, k): artifacts[k].file for k in order}
        progress(", ".join(sorted(running.values())), 0, len(artifacts), perf_counter() - start)
        for done, future in enumerate(as_completed(running), 1):
            future.result()
            progress(running[future], done, len(artifacts), perf_counter() - start)


def _die_with_parent() -> None:
    """A worker would wait for ever for the next task of a parent that was killed, and keep its folder locked."""
    import ctypes
    import signal

    set_parent_death_signal = 1  # Linux: linux/prctl.h
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)


_inherited: tuple[Sequence[Artifact], Path, Target] | None = None


def _compile_inherited(k: int) -> None:
    assert _inherited is not None
    artifacts, folder, target = _inherited
    _compile(artifacts[k], folder, target)


def _compile(artifact: Artifact, folder: Path, target: Target) -> None:
    kernel = artifact.kernel
    name = kernel_cache.key(kernel.text(), repr(target), *versions().values())

    def build(path: Path, scratch: Path) -> None:
        raw = scratch / "raw.pt2"
        compile_kernel(kernel, raw, target, scratch)
        pack(raw, path, target)

    content = kernel_cache.fetch(name, build, what=kernel.name)
    layout = f"{target.isa} {target.dtype} {target.lanes} {kernel.state_size} {kernel.output_size or 0}"
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        _repack(source, folder / artifact.file, lambda _, data: data, {LAYOUT: layout})


def pack(raw: Path, path: Path, target: Target) -> None:
    """Copy an AOT-Inductor archive without its sources, debug information and build identifiers.

    What remains depends on the graph and the compiler alone, so that equal inputs give equal files, and AOT-Inductor's
    own loader still takes it.
    """

    def lean(name: str, content: bytes) -> bytes:
        return _strip(content, path.parent) if name.endswith(".so") and target.on_cpu else content

    with zipfile.ZipFile(raw) as source:
        _repack(source, path, lean)


LAYOUT = "extra/neml2_layout"
"""Member of an archive that says what its code was made for: instructions, scalar type, lanes, components of the state,
components of its own output. The runtime holds the metadata against it."""

_NOT_NEEDED = (".cpp", "serialization_id", ".kernel_metadata.json")


def _repack(
    source: zipfile.ZipFile, path: Path, change: Callable[[str, bytes], bytes], more: Mapping[str, str] | None = None
) -> None:
    """Write the entries of `source` that a loader needs, and `more`, to `path`, under the top folder its name calls
    for."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        for info in sorted(source.infolist(), key=lambda i: i.filename):
            if not info.filename.endswith(_NOT_NEEDED):
                entry = zipfile.ZipInfo(path.stem + info.filename[info.filename.index("/") :])
                out.writestr(entry, change(info.filename, source.read(info)))
        for name, text in (more or {}).items():
            out.writestr(zipfile.ZipInfo(f"{path.stem}/{name}"), text)


def _strip(library: bytes, folder: Path) -> bytes:
    """`library` without symbols that no loader needs; unchanged where binutils are missing."""
    with tempfile.NamedTemporaryFile(suffix=".so", dir=folder) as scratch:
        scratch.write(library)
        scratch.flush()
        command = ["objcopy", "--strip-unneeded", "--remove-section=.note.gnu.build-id", scratch.name]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return library
        return Path(scratch.name).read_bytes()

# SPDX-License-Identifier: MIT
"""From a translation unit to a shared object."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from neml2.compiler.package import isa
from neml2.installation import header_folder

FLAGS = (
    "-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math",
    "-ffp-contract=fast", "-fno-exceptions", "-fno-rtti", "-w",
)  # fmt: skip
"""No -ffast-math: NaN, infinities and signed zeros keep their meaning."""


class BuildError(RuntimeError):
    """The C++ compiler refused a translation unit; carries its first complaint."""


def compiler() -> str:
    """The C++ compiler: $CXX, else g++."""
    return os.environ.get("CXX", "g++")


def include_folder() -> Path:
    """The folder that holds `neml2/native/Kernel.h`. Raises BuildError."""
    try:
        return header_folder()
    except FileNotFoundError as error:
        raise BuildError(str(error)) from None


def command(level: str) -> list[str]:
    """The compiler with its flags for one instruction set (a name of isa.LEVELS)."""
    return [compiler(), *FLAGS, f"-march={isa.LEVELS[level][0]}", "-I", str(include_folder())]


def build(text: str, target: Path, level: str | None = None) -> Path:
    """Compile `text` to the shared object `target`, which appears in one step; `level`: default this CPU's best."""
    level = level or isa.best()
    with scratch(target) as folder:
        made = folder / target.name
        link(compiled(text, folder / "kernel", level), made)
        made.replace(target)
    return target


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """A folder beside `target`, for what it is made of."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compiled(text: str, stem: Path, level: str, *flags: str, layouts: bool = True) -> list[Path]:
    """The object files of a translation unit, called after `stem`. `layouts`: it is a kernel, whose two layouts are
    compiled side by side where there are cores for it."""
    source = stem.with_suffix(".cpp")
    source.write_text(text)
    parts = (1, 2) if layouts and len(os.sched_getaffinity(0)) > 1 else (0,)
    objects = {part: stem.with_name(f"{stem.name}_{part}.o") for part in parts}
    start = [*command(level), *flags, f"-ffile-prefix-map={stem.parent}=."]
    run(*([*start, f"-DNEML2_NATIVE_PART={k}", "-c", str(source), "-o", str(o)] for k, o in objects.items()))
    return list(objects.values())


def link(objects: Sequence[Path], target: Path, *flags: str) -> None:
    """Make a shared object."""
    run([compiler(), "-shared", *flags, *map(str, objects), "-o", str(target)])


def run(*commands: list[str]) -> None:
    """Runs commands at the same time. Raises BuildError."""
    running = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
    errors = [process.communicate()[1] for process in running]
    if any(process.returncode for process in running):
        lines = "".join(errors).strip().splitlines() or ["no message"]
        raise BuildError(f"{compiler()}: {next((x for x in lines if 'error' in x), lines[0])}")


def made_from(text: str, level: str) -> tuple[str, ...]:
    """All that shapes the shared object of `text`, for its name in a cache. Raises BuildError without a compiler."""
    return (text, runtime_headers(), compiler_version(compiler()), *FLAGS, level)


@cache
def runtime_headers() -> str:
    """A hash of the headers that generated kernels include."""
    folder = include_folder() / "neml2"
    found = hashlib.sha256()
    for path in sorted([*folder.glob("native/*.h"), *folder.glob("solvers/detail/*.h")]):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


@cache
def compiler_version(compiler: str) -> str:
    """What the compiler says it is. Raises BuildError where there is none."""
    try:
        done = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"no C++ compiler: '{compiler}' cannot be run; install g++ or set CXX") from error
    return done.stdout

# SPDX-License-Identifier: MIT
"""From a translation unit to a shared object."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from neml2.compiler import isa

FLAGS = (
    "-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math",
    "-ffp-contract=fast", "-fno-exceptions", "-fno-rtti", "-w",
)  # fmt: skip
"""No -ffast-math: NaN, infinities and signed zeros keep their meaning."""


class BuildError(RuntimeError):
    """The C++ compiler refused a translation unit; carries its first complaint."""


def compiler() -> str:
    """The C++ compiler: $CXX, else g++."""
    return os.environ.get("CXX", "g++")


def include_folder() -> Path:
    """The folder that holds `neml2/native/Kernel.h`: of the installed package, or of the source tree."""
    import neml2

    package = Path(neml2.__file__).parent
    for folder in (package / "include", package.parents[1] / "include"):
        if (folder / "neml2" / "native" / "Kernel.h").is_file():
            return folder
    raise BuildError(f"the headers of neml2 are missing: expected {package / 'include'}")


def command(source: Path, target: Path, level: str) -> list[str]:
    """The compiler's command line for one instruction set (a name of neml2.compiler.isa.LEVELS)."""
    return [compiler(), *FLAGS, f"-march={isa.LEVELS[level][0]}", "-I", str(include_folder()),
            f"-ffile-prefix-map={source.parent}=.", str(source), "-o", str(target)]  # fmt: skip


def build(text: str, target: Path, level: str | None = None) -> Path:
    """Compile `text` to the shared object `target`, which appears in one step; `level`: default this CPU's best."""
    level = level or isa.best()
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        source, made = folder / "kernel.cpp", folder / target.name
        source.write_text(text)
        done = subprocess.run(command(source, made, level), capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise BuildError(f"{compiler()}: {next((x for x in lines if 'error' in x), lines[0])}")
        made.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target

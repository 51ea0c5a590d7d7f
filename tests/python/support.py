# SPDX-License-Identifier: MIT
"""What tests of all rooms use. Compiled kernels are kept in the build folder, so that each is compiled once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("NEML2_CACHE_DIR", str(ROOT / "build" / "cache"))


def run_tool(name: str, *arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `neml2-<name>` in a process of its own."""
    command = [sys.executable, "-m", f"neml2.cli.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=600)


def metadata(stub: Path, device: str = "cpu") -> Path:
    """Metadata of the package that belongs to a stub."""
    name = stub.name.removesuffix("_aoti.i")
    return stub.parent / name / device / f"{name}_meta.json"


Compile = Callable[..., Path]

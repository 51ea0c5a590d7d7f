# SPDX-License-Identifier: MIT
"""What all tests share: compiled kernels are kept in the build folder, so that each is compiled once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("NEML2_CACHE_DIR", str(ROOT / "build" / "cache"))

ELASTICITY = """\
[Models]
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients      = '200e3          0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
  []
[]
"""


def run_tool(name: str, *arguments: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `neml2-<name>` in a process of its own."""
    command = [sys.executable, "-m", f"neml2.cli.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=600)


Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """`compiled(text, model, *flags)` -> the stub of the compiled model; each combination is compiled once."""
    stubs: dict[tuple[str, ...], Path] = {}

    def compile_once(text: str, model: str, *flags: str) -> Path:
        key = (text, model, *flags)
        if key not in stubs:
            folder = tmp_path_factory.mktemp("compiled")
            (folder / "input.i").write_text(text)
            done = run_tool("compile", "input.i", "--model", model, *flags, cwd=folder)
            assert done.returncode == 0, done.stderr
            stubs[key] = folder / "aoti" / f"{model}_aoti.i"
        return stubs[key]

    return compile_once

# SPDX-License-Identifier: MIT
"""What the metadata of any package says of its files, and of what they were made with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neml2.compiler.package.kernel_cache import digest
from neml2.installation import version

Progress = Callable[[str, int, int, float], None]
"""Takes (file, how many are done, of how many, seconds)."""


def files(folder: Path) -> dict[str, dict[str, Any]]:
    """Hash and size of every file of `folder`, by name."""
    return {p.name: {"sha256": digest(p), "bytes": p.stat().st_size} for p in sorted(folder.iterdir())}


def versions() -> dict[str, str]:
    """What the package was made with."""
    import torch

    compiler = os.environ.get("CXX", "g++")
    try:
        first = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[
            0
        ]
    except (OSError, subprocess.CalledProcessError, IndexError):
        first = compiler
    return {"neml2": version(), "torch": torch.__version__, "compiler": first}

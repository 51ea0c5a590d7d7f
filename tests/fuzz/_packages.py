# SPDX-License-Identifier: MIT
"""Packages that targets start from, and a call of whatever could be loaded."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("promoted", "isoharden", "native", "isoharden_native")


def packages() -> list[Path]:
    """Folders of packages of both backends, explicit and implicit: those of the C++ tests, made if they are missing."""
    os.environ.setdefault("NEML2_CACHE_DIR", str(ROOT / "build" / "cache"))
    spec = importlib.util.spec_from_file_location("build", ROOT / "tests" / "cpp" / "packages" / "build.py")
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    folder = ROOT / "build" / "fuzz" / "packages"
    assert build.main(folder, NAMES) == 0, "the packages to start from could not be compiled"
    return [next(folder.glob(f"{name}/*/cpu")) for name in NAMES]


def copied(package: Path, place: Path) -> Path:
    """A copy of a package at `place`, in the place of what was there."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(package, place)
    return place


def metadata_of(package: Path) -> Path:
    (found,) = package.glob("*_meta.json")
    return found


def load_and_call(rng: random.Random, metadata: Path) -> None:
    """Load a package, and call it if it could be loaded; only the library's own errors are allowed."""
    import torch

    from neml2 import aoti

    try:
        model = aoti.Model(metadata)
        points = rng.choice([1, 3, 40])
        shapes: dict[str, Any] = model.input_base_shapes
        inputs = {name: 1e-4 * torch.ones(points, *shape, dtype=model.dtype) for name, shape in shapes.items()}
        model.forward(inputs)
        model.jacobian(inputs)
    except aoti.Exception as error:
        assert str(error).strip(), "an error without words"

# SPDX-License-Identifier: MIT
"""examples/calculix: CalculiX with a law for its UMAT, against neml2-run. Builds CalculiX: minutes, and a network."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from support import ROOT

pytestmark = pytest.mark.calculix
EXAMPLE = ROOT / "examples" / "calculix"


@pytest.fixture(scope="module")
def ccx() -> Path:
    """Kept in the build folder."""
    folder = ROOT / "build" / "calculix"
    done = subprocess.run([EXAMPLE / "build_ccx.sh", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"CalculiX cannot be built here: {done.stderr[-300:]}")
    return folder / "ccx"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calculix_example", EXAMPLE / "run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("job", ["element", "notched_bar"])
def test_jobs_agree_with_neml2_run(ccx: Path, example: ModuleType, tmp_path: Path, job: str) -> None:
    error = getattr(example, job)(ccx, tmp_path, example.compile_law(tmp_path))
    assert error < 1e-5  # CalculiX prints seven digits


def test_steps_are_cut_where_the_law_fails(ccx: Path, example: ModuleType, tmp_path: Path) -> None:
    """Few Newton updates: PNEWDT shortens increments, and the job goes on to the same stresses."""
    whole = example.compile_law(tmp_path / "whole")
    hasty = example.compile_law(tmp_path / "hasty", "Solvers/newton/max_its:=5")
    counts = []
    for law in (whole, hasty):
        assert example.element(ccx, tmp_path, law) < 1e-5
        counts.append(len(set((tmp_path / "element.sta").read_text().splitlines())))
    assert counts[1] > 1.5 * counts[0]

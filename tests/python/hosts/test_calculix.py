# SPDX-License-Identifier: MIT
"""examples/calculix: CalculiX with a law for its UMAT, against neml2-run. Builds CalculiX: minutes, and a network."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from host_programs import ALL, FINITE, Laws, rotation, saint_venant

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


def write_turned(path: Path, example: ModuleType, gradients: np.ndarray, states: int) -> None:
    """Eight elements whose surface follows x = F(t) X, with F at the times 0, 1, 2, ..., of any size."""
    number, elements = example.brick((2, 2, 2))
    lines = ["*NODE, NSET=ALL"]
    lines += [f"{n}, {', '.join(f'{x / 4:.9e}' for x in p)}" for p, n in number.items()]
    lines.append("*ELEMENT, TYPE=C3D20, ELSET=BAR")
    for k, nodes in enumerate(elements, 1):
        words = [str(k), *map(str, nodes)]
        lines += [", ".join(words[:11]) + ",", ", ".join(words[11:])]
    bounds, tables = [], []
    for p, n in number.items():
        if any(i in (0, 4) for i in p):
            moved = (gradients - np.eye(3)) @ (np.array(p) / 4)
            for axis in range(3):
                tables.append(f"*AMPLITUDE, NAME=A{n}X{axis}")
                tables += [f"{t}., {u:.12e}" for t, u in enumerate(moved[:, axis])]
                bounds += [f"*BOUNDARY, AMPLITUDE=A{n}X{axis}", f"{n}, {axis + 1}, {axis + 1}, 1."]
    constants = ["*USER MATERIAL, CONSTANTS=1", "100."] if states else ["*USER MATERIAL, CONSTANTS=1", "0."]
    depvar = ["*DEPVAR", str(states)] if states else []
    name = "@ABAQUSNL_STEEL" if states else "@ABAQUSNL_LAW"
    lines += [
        f"*MATERIAL, NAME={name}", *constants, *depvar, f"*SOLID SECTION, ELSET=BAR, MATERIAL={name}",
        *tables, "*STEP, NLGEOM, INC=1000", "*STATIC", f"1., {len(gradients) - 1}., 1e-4, 1.", *bounds,
        "*EL PRINT, ELSET=BAR", "S", "*END STEP", "",
    ]  # fmt: skip
    path.write_text("\n".join(lines))


def turned_path(steps: int, angle: float) -> np.ndarray:
    """F: stretch and shear, a turn about an oblique axis, and stretch again."""
    t = np.linspace(0, 1, steps)
    stretch = np.eye(3) + (np.minimum(t, 0.4) + np.maximum(t - 0.7, 0))[:, None, None] * np.array(
        [[0.03, 0.01, 0], [0.01, -0.012, 0.006], [0, 0.006, -0.014]]
    )
    turn = angle * np.clip((t - 0.4) / 0.3, 0, 1)
    return np.array([rotation([a / 3, 2 * a / 3, 2 * a / 3]) for a in turn]) @ stretch


def test_states_are_in_the_frame_that_turns(ccx: Path, example: ModuleType, tmp_path: Path) -> None:
    """Back stresses of a body that is turned between two stretches are those of one that is not."""
    law = example.compile_law(tmp_path)
    final = []
    for angle in (0.0, 1.2):
        path = turned_path(41, angle)
        job = tmp_path / f"turned{len(final)}.inp"
        write_turned(job, example, path, 13)
        example.run_ccx(ccx, job, law)
        stress = example.printed(job, "stresses")[1][-1]
        R = path[-1] @ np.linalg.inv(turned_path(41, 0.0)[-1])
        final.append(np.array([R.T @ tensor(s) @ R for s in stress]))
    # increments that are cut follow chords of the turn; turned states would be 5e-2 away
    np.testing.assert_allclose(final[1], final[0], atol=1e-3 * abs(final[0]).max())


def tensor(s: np.ndarray) -> np.ndarray:
    return np.array([[s[0], s[5], s[4]], [s[5], s[1], s[3]], [s[4], s[3], s[2]]])


def test_a_law_of_the_deformation_gradient(ccx: Path, example: ModuleType, laws: Laws, tmp_path: Path) -> None:
    law, path = laws(FINITE, "cauchy", *ALL), turned_path(41, 1.2)
    (tmp_path / "libLAW.so").symlink_to(law / "liblaw.so")
    job = tmp_path / "finite.inp"
    write_turned(job, example, path, 0)
    example.run_ccx(ccx, job, tmp_path)
    wanted = saint_venant(path[-1])[2]
    for s in example.printed(job, "stresses")[1][-1]:
        np.testing.assert_allclose(tensor(s), wanted, atol=1e-5 * abs(wanted).max())

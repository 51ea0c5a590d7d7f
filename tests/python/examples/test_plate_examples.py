# SPDX-License-Identifier: MIT
"""examples/fe and examples/scikit_fem: one plate with a hole, on PETSc with MPI and in Python."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from support import ROOT, Compile

FE = ROOT / "examples" / "fe"
PLATE = ROOT / "examples" / "scikit_fem" / "plate.py"
MESH = (4, 4, 1)
TRACTION, WIDTH, THICKNESS = 120, 20, 2
LONG_STEPS = ("-amplitude", "250", "-dt", "10")


def has_petsc() -> bool:
    tools = all(shutil.which(tool) for tool in ("mpirun", "pkg-config", "cmake", "make"))
    return tools and subprocess.run(["pkg-config", "--exists", "petsc"]).returncode == 0


needs_petsc = pytest.mark.skipif(not has_petsc(), reason="PETSC OR MPI IS MISSING: install petsc-dev (make test does)")


@pytest.fixture(scope="module")
def stub(compiled: Compile) -> Path:
    return compiled((FE / "plate.i").read_text(), "model", "-d", "stress:strain", "--backend", "native")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built as its Makefile builds it."""
    folder = tmp_path_factory.mktemp("fe")
    command = ["make", "-C", FE, "program", f"WORK={folder}", f"PYTHON={sys.executable}", "MAKEFLAGS="]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "plate"


def run(program: Path, ranks: int, *options: object) -> subprocess.CompletedProcess[str]:
    mesh = [str(word) for pair in zip(("-radial", "-angular", "-layers"), MESH, strict=True) for word in pair]
    command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), program, *mesh, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def walk(program: Path, stub: Path, out: Path, ranks: int, *options: object) -> str:
    done = run(program, ranks, "-stub", stub, "-out", out, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_python(stub: Path, *options: str) -> str:
    command = [sys.executable, PLATE, stub, "--mesh", *map(str, MESH), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answer(text: str) -> list[float]:
    """The largest displacement and the largest plastic strain, of the last line but timings."""
    (line,) = re.findall(r"^largest displacement (\S+) mm, equivalent plastic strain (\S+)$", text, re.MULTILINE)
    return [float(number) for number in line]


def residuals(text: str) -> list[list[float]]:
    """The norms of each accepted step."""
    lines = [line for line in text.splitlines() if "|r|" in line and "cut" not in line]
    return [[float(word) for word in line.split("|r|")[1].split()] for line in lines]


def steps(text: str) -> list[str]:
    """Time, traction and fate of each step, without its residuals, whose last digits depend on the ranks."""
    return [re.sub(r"\|r\|[^c]*", "", line) for line in text.splitlines() if "|r|" in line]


def assert_quadratic(text: str) -> None:
    """|r_k+1| < c |r_k|^2, from where Newton's method is near until round-off: 1e-9 of the load's 500 N."""
    pairs = [pair for norms in residuals(text) for pair in pairwise(norms)]
    near = [(before, after) for before, after in pairs if before < 5]
    assert len(near) > 20
    for before, after in near:
        assert after < 0.05 * before**2 + 1e-8


def displacement(out: Path) -> np.ndarray:
    return np.fromfile(out / "displacement.bin", ">f8", offset=8)


def arrays(piece: Path) -> dict[str, np.ndarray]:
    found = {a.get("Name"): np.array((a.text or "").split(), float) for a in ElementTree.parse(piece).iter("DataArray")}
    return {name: values for name, values in found.items() if name}


def stress_work(part: dict[str, np.ndarray]) -> float:
    """The integral of the stress yy, which is the work of the stress on the displacement y along y: by the principle of
    virtual work that of the traction on the edge."""
    position, nodes = part["position"].reshape(-1, 3), part["connectivity"].astype(int).reshape(-1, 8)
    (x, y), z = np.moveaxis(position[nodes[:, :4], :2], -1, 0), position[nodes[:, [0, 4]], 2]
    area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) / 2
    return float((area * (z[:, 1] - z[:, 0])) @ part["stress"].reshape(-1, 6)[:, 1])


@pytest.mark.slow
@needs_petsc
def test_four_ranks_give_the_answer_of_one(program: Path, stub: Path, tmp_path: Path) -> None:
    for ranks in (1, 4):
        (tmp_path / str(ranks)).mkdir()
        text = walk(program, stub, tmp_path / str(ranks), ranks)
        assert_quadratic(text)
        assert re.search(r"^material: .* %\), \d+ calls, 128 points$", text, re.MULTILINE)
    one, four = (displacement(tmp_path / ranks) for ranks in "14")
    assert np.abs(one - four).max() < 1e-10 * np.abs(one).max()
    np.testing.assert_allclose(answer(text), answer(in_python(stub)), rtol=1e-9)  # another mesh, elements, solver

    pieces = sorted((tmp_path / "4").glob("plate_0005_*.vtu"))
    sources = re.findall('Source="(.*?)"', (tmp_path / "4" / "plate_0005.pvtu").read_text())
    assert sources == [piece.name for piece in pieces] and len(pieces) == 4
    parts = [arrays(piece) for piece in pieces]
    assert sum(len(part["plastic_strain"]) for part in parts) == np.prod(MESH)
    for part in parts:
        position, moved = (part[name].reshape(-1, 3) for name in ("position", "displacement"))
        assert part["connectivity"].max() < len(position)
        assert (part["plastic_strain"] >= 0).all()
        assert np.abs(moved[np.isclose(position, 0)]).max() < 1e-10 * np.abs(one).max()  # symmetry
    work = sum(stress_work(part) for part in parts)
    np.testing.assert_allclose(work, TRACTION * WIDTH * THICKNESS * WIDTH, rtol=1e-9)

    picture = tmp_path / "plate.png"
    subprocess.run([sys.executable, FE / "plot.py", tmp_path / "4", picture], check=True)
    assert picture.read_bytes().startswith(b"\x89PNG")
    subprocess.run([sys.executable, FE / "compare.py", tmp_path / "1", tmp_path / "4"], check=True)


@pytest.mark.slow
@needs_petsc
def test_a_point_without_solution_cuts_the_step_on_all_ranks(program: Path, stub: Path, tmp_path: Path) -> None:
    """The points that fail lie at the hole: on one of the ranks. The others follow, and nobody waits for ever."""
    one = walk(program, stub, tmp_path / "1", 1, *LONG_STEPS)
    three = walk(program, stub, tmp_path / "3", 3, *LONG_STEPS)
    assert "cut: a material point has no solution" in one
    assert steps(one) == steps(three)
    assert_quadratic(one)
    expected, found = (displacement(tmp_path / ranks) for ranks in "13")
    assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()


@pytest.mark.slow
@needs_petsc
def test_newton_that_does_not_converge_cuts_the_step(program: Path, stub: Path, tmp_path: Path) -> None:
    text = walk(program, stub, tmp_path, 1, "-dt", 5, "-cycles", 0.25, "-snes_max_it", 4)
    assert "cut: no equilibrium" in text
    assert steps(text)[-1].split()[2] == "10.0000"


@pytest.mark.slow
@needs_petsc
def test_a_package_that_is_missing_ends_all_ranks(program: Path, tmp_path: Path) -> None:
    done = run(program, 2, "-stub", tmp_path / "none_aoti.i", "-out", tmp_path)
    assert done.returncode != 0
    assert "there is no such file" in done.stderr


@pytest.mark.slow
def test_scikit_fem_cuts_steps_and_is_quadratic(stub: Path) -> None:
    text = in_python(stub, "--amplitude", "250", "--dt", "10")
    assert "cut: " in text
    assert_quadratic(text)

# SPDX-License-Identifier: MIT
"""The steel of ../fe/plate.i in CalculiX: an element and a notched bar under cyclic load. Each integration point is
followed by neml2-run as well.

    ./build_ccx.sh build
    python run.py build/ccx work

Prints, for each job, how far the two are apart. Units: mm, MPa, s.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
LAW, PROPERTY, YIELD_STRESS = "STEEL", "yield_surface.sy", 100.0
PERIOD, LONGEST = 40.0, 1.0

MANDEL = np.array([1, 1, 1, 2**0.5, 2**0.5, 2**0.5])
ORDER = [0, 1, 2, 5, 4, 3]
"""CalculiX has 11, 22, 33, 12, 13, 23; here the order is 11, 22, 33, 23, 13, 12."""


def compile_law(folder: Path, *overrides: str) -> Path:
    """The folder with libSTEEL.so, which CalculiX looks for because of the material's name. `overrides` are those of
    neml2-compile."""
    command = [sys.executable, "-m", "neml2.cli.compile", HERE.parent / "fe" / "plate.i", "-m", "model", "-q"]
    options = ["--backend", "native", "--interface", "umat", "--law", LAW, "-p", PROPERTY, "-o", folder]
    subprocess.run([*command, *options, *overrides], check=True)
    return (folder / "model" / "law").resolve()


def brick(cells: tuple[int, int, int]) -> tuple[dict[tuple[int, ...], int], list[list[int]]]:
    """Nodes, by their places on a lattice of half cells, and elements of 20 nodes, numbered from 1."""
    places = [p for p in product(*(range(2 * n + 1) for n in cells)) if sum(i % 2 for i in p) < 2]
    number = {p: k for k, p in enumerate(places, 1)}
    square = [(0, 0), (2, 0), (2, 2), (0, 2)]
    middle = [(1, 0), (2, 1), (1, 2), (0, 1)]
    local = [(*p, z) for z in (0, 2) for p in square] + [(*p, z) for z in (0, 2) for p in middle]
    local += [(*p, 1) for p in square]
    elements = [
        [number[2 * a + i, 2 * b + j, 2 * c + k] for i, j, k in local]
        for a, b, c in product(*(range(n) for n in cells))
    ]
    return number, elements


def notched(p: np.ndarray) -> np.ndarray:
    """From the unit cube to an eighth of a flat bar, 20 mm long, 8 mm wide and 2 mm thick, notched in the middle."""
    x = 10 * p[0] ** 1.5  # finer at the notch
    return np.array([x, p[1] * (4 - 1.5 * np.exp(-((x / 1.5) ** 2))), p[2]])


def write_job(path: Path, cells: tuple[int, int, int], shape, pull: float, states: int) -> None:
    """Pull and push one end; the other three faces at the origin are planes of symmetry."""
    number, elements = brick(cells)
    size = 2 * np.array(cells)
    faces = [[n for p, n in number.items() if p[axis] == 0] for axis in range(3)]
    end = [n for p, n in number.items() if p[0] == size[0]]
    times = np.linspace(0, PERIOD, 9)
    lines = ["*NODE, NSET=ALL"]
    lines += [f"{n}, " + ", ".join(f"{x:.9e}" for x in shape(np.array(p) / size)) for p, n in number.items()]
    lines.append("*ELEMENT, TYPE=C3D20, ELSET=BAR")
    for k, nodes in enumerate(elements, 1):
        words = [str(k), *map(str, nodes)]
        lines += [", ".join(words[:11]) + ",", ", ".join(words[11:])]
    for name, nodes in zip(("X0", "Y0", "Z0", "END"), (*faces, end), strict=True):
        lines += [f"*NSET, NSET={name}", *(f"{n}," for n in nodes)]
    lines += [
        f"*MATERIAL, NAME=@ABAQUS_{LAW}", "*USER MATERIAL, CONSTANTS=1", f"{YIELD_STRESS}", "*DEPVAR", str(states),
        f"*SOLID SECTION, ELSET=BAR, MATERIAL=@ABAQUS_{LAW}",
        "*BOUNDARY", "X0, 1, 1", "Y0, 2, 2", "Z0, 3, 3",
        "*AMPLITUDE, NAME=CYCLE", *(f"{t}, {np.sin(2 * np.pi * t / PERIOD * 1.25):.9f}" for t in times),
        "*STEP, INC=1000", "*STATIC", f"{LONGEST}, {PERIOD}, 1e-4, {LONGEST}",
        "*BOUNDARY, AMPLITUDE=CYCLE", f"END, 1, 1, {pull}",
        "*EL PRINT, ELSET=BAR", "E, S", "*NODE PRINT, NSET=END, TOTALS=ONLY", "RF", "*END STEP", "",
    ]  # fmt: skip
    path.write_text("\n".join(lines))


def run_ccx(ccx: Path, job: Path, law: Path) -> None:
    """Run CalculiX; it finds the law by the name of the material."""
    env = {**os.environ, "LD_LIBRARY_PATH": f"{law}:{os.environ.get('LD_LIBRARY_PATH', '')}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([ccx.resolve(), job.stem], cwd=job.parent, env=env, capture_output=True, text=True)
    if done.returncode or "ERROR" in done.stdout:
        sys.exit(done.stdout[-2000:] + done.stderr)


def printed(job: Path, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Times, and what CalculiX says of all integration points, components of tensors: (increments, points, 6)."""
    text = job.with_suffix(".dat").read_text()
    found = re.findall(rf" {what} \(elem.*time +(\S+)\n\s*\n((?:\s+\d+\s+\d+\s[^\n]*\n)+)", text)
    values = np.array([[line.split()[2:8] for line in block.splitlines()] for _, block in found], float)
    return np.array([time for time, _ in found], float), values[..., ORDER]


def neml2_run(folder: Path, times: np.ndarray, strains: np.ndarray) -> np.ndarray:
    """The stress that neml2-run finds for these strains, (increments, points, 6)."""
    np.save(folder / "times.npy", np.concatenate([[0], times]))
    np.save(folder / "strains.npy", np.concatenate([0 * strains[:1], strains]) * MANDEL)
    (folder / "points.i").write_text(f"""\
!include {os.path.relpath(HERE.parent / "fe" / "plate.i", folder)}
[Tensors]
  [times]
    type = Python
    expr = '''Scalar(torch.from_numpy(np.load("times.npy")))'''
  []
  [strains]
    type = Python
    expr = '''SR2(torch.from_numpy(np.load("strains.npy")))'''
  []
[]
[Drivers]
  [points]
    type = TransientDriver
    model = 'model'
    prescribed_time = 'times'
    prescribed_SR2_names = 'strain'
    prescribed_SR2_values = 'strains'
    save_as = 'points.npz'
  []
[]
""")
    subprocess.run([sys.executable, "-m", "neml2.cli.run", "points.i"], cwd=folder, check=True, capture_output=True)
    return np.load(folder / "points.npz")["stress"][1:]


def compare(name: str, ccx: Path, work: Path, law: Path, cells: tuple[int, int, int], shape, pull: float) -> float:
    """Run a job; the largest difference of a stress component, relative to the largest stress."""
    states = int(re.search(rf"{LAW}_NSTATV (\d+)", (law / f"{LAW}.h").read_text())[1])
    job = work / f"{name}.inp"
    write_job(job, cells, shape, pull, states)
    run_ccx(ccx, job, law)
    (times, stress), (_, strain) = printed(job, "stresses"), printed(job, "strains")
    wanted = neml2_run(work, times, strain)
    error = float(abs(stress - wanted).max() / abs(wanted).max())
    print(
        f"{name}: {stress.shape[1]} points, {stress.shape[0]} increments, strains to {abs(strain).max():.2e}, "
        f"stresses to {abs(wanted).max():.1f} MPa: apart by {error:.1e}"
    )
    return error


def element(ccx: Path, work: Path, law: Path) -> float:
    """A cube of one element, pulled and pushed by 0.8 %."""
    return compare("element", ccx, work, law, (1, 1, 1), lambda p: p, 8e-3)


def notched_bar(ccx: Path, work: Path, law: Path) -> float:
    """An eighth of the bar: half its length, width and thickness."""
    return compare("notched_bar", ccx, work, law, (6, 3, 1), notched, 0.04)


def main(ccx: Path, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    law = compile_law(work)
    element(ccx, work, law)
    notched_bar(ccx, work, law)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

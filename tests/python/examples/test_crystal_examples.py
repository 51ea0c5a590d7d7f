# SPDX-License-Identifier: MIT
"""examples/crystals: single crystals in tension, and a rolled polycrystal."""

from __future__ import annotations

import subprocess
import sys
from math import exp, radians, sin, sqrt
from pathlib import Path

import pytest
import torch

from neml2.crystal import Lattice, density, poles, slip_systems
from neml2.types import MRP, euler_rodrigues
from support import ROOT, Compile

CRYSTALS = ROOT / "examples" / "crystals"
STEPS, STRAIN = 200, 0.05


def run(compiled: Compile, folder: Path, name: str, *options: object) -> dict[str, torch.Tensor]:
    """What the example keeps of its run."""
    text = (CRYSTALS / f"{name}.i").read_text()
    text = text.replace("!include copper.i", (CRYSTALS / "copper.i").read_text())
    stub = compiled(text, "model", "--backend", "native")
    picture = folder / f"{name}.png"
    command = [sys.executable, CRYSTALS / f"{name}.py", stub, "--picture", picture, *options]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    return torch.load(picture.with_suffix(".pt"))


@pytest.fixture(scope="module")
def pulled(compiled: Compile, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return run(compiled, tmp_path_factory.mktemp("pulled"), "tension", "--steps", STEPS, "--strain", STRAIN)


def axis(orientations: torch.Tensor) -> torch.Tensor:
    """x of the laboratory in crystal axes."""
    return euler_rodrigues(MRP(orientations)).data[..., 0, :]


@pytest.mark.parametrize(("crystal", "systems", "schmid"), [(0, 8, 1 / sqrt(6)), (2, 6, sqrt(2 / 27))])
def test_multiple_slip_has_the_stress_of_its_schmid_factor(pulled, crystal, systems, schmid):
    along_001, twice_C12_and_C11 = 1 / 66.69e3, 66.69e3 / (1 - 2 * 0.4189)
    compliance = along_001 if crystal == 0 else (1 / twice_C12_and_C11 + 1 / 75.4e3) / 3
    stress = float(pulled["stresses"][crystal, -1])
    slip = (STRAIN - stress * compliance) / schmid
    strength = 16 + 120 * (1 - exp(-180 / 120 * slip))
    assert stress == pytest.approx(strength / schmid * (1 / (systems * schmid)) ** (1 / 10), rel=3e-3)


@pytest.mark.parametrize("crystal", (0, 1, 2))
def test_directions_of_high_symmetry_stay_along_the_axis(pulled, crystal):
    axes = axis(pulled["orientations"][crystal])
    torch.testing.assert_close(axes, axes[:1].expand_as(axes), rtol=0, atol=1e-6)


@pytest.mark.parametrize("crystal", (3, 4))
def test_the_axis_is_a_line_of_the_material(pulled, crystal):
    """Slip at the rates g_i moves a line l of the crystal by the sum of g_i (n_i . l) d_i."""
    axes = axis(pulled["orientations"][crystal])
    systems = slip_systems(Lattice.cubic(3.615), torch.tensor([1, 1, 0]), torch.tensor([1, 1, 1]))
    line, steps = axes[0], 500
    for _ in range(steps):
        factors = systems.schmid_factors(line)
        moved = (factors.sign() * factors.abs() ** 10 * (systems.normals @ line)) @ systems.directions
        line = line + STRAIN / steps * moved / (moved @ line)
        line = line / line.norm()
    turned = float(torch.linalg.vector_norm(line - axes[0]))
    assert turned > 0.01
    torch.testing.assert_close(axes[-1], line, rtol=0, atol=0.03 * turned)


def test_rolling_gathers_the_poles_of_copper(compiled, tmp_path):
    found = run(compiled, tmp_path, "rolling", "--grains", 100)
    tilted = torch.tensor([[sin(radians(30)), 0, sin(radians(60))], [0.0, 0, 1]]).double()
    before, after = (
        density(poles(MRP(found[k]), (1, 1, 1), Lattice.cubic(3.615)), tilted) for k in ("before", "after")
    )
    assert 0.6 < before[0] < 1.6
    assert after[0] > 2.5 and after[1] < 0.6

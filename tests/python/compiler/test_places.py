# SPDX-License-Identifier: MIT
"""Packages in places with odd names, packages that were moved, and coefficients that are no numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from input_texts import ELASTICITY
from neml2 import load_input
from neml2.aoti import FatalError, load_model
from neml2.compiler.compile import Options, compile_input
from neml2.compiler.package.seal import sealed
from support import metadata, run_tool

STRAIN = {"strain": 1e-3 * torch.arange(1.0, 7.0, dtype=torch.float64)}
ODD = ("it's", 'a "b"', "a#b", "${HOME}", "$x", "a b  c", "a\nb", "straße", " edge ", "a;b", "[x]", "%41")


def compile_here(folder: Path, text: str = ELASTICITY, backend: str = "native", output: Path | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "input.i").write_text(text)
    options = Options("elasticity", output or folder / "aoti", isa=["generic"], backend=backend, jobs=1)
    return compile_input(load_input(folder / "input.i"), options).stub


def loaded(stub: Path) -> list[torch.Tensor]:
    """The stress by way of C++, and by way of the input file."""
    (stress,) = load_input(stub).get_model("elasticity")(**STRAIN)
    return [load_model(stub, "elasticity").forward(STRAIN)["stress"], stress.data]


TABLE = """
[Tensors]
  [moduli]
    type = CSVScalar
    csv_file = 'moduli.csv'
  []
[]
"""


@pytest.mark.parametrize("backend", ["native", "aoti"])
def test_folders_with_odd_names(tmp_path: Path, backend: str) -> None:
    plain = loaded(compile_here(tmp_path / "plain", backend=backend))[0]
    for name in ODD:
        stub = compile_here(tmp_path / name, backend=backend)
        for stress in loaded(stub):
            assert torch.equal(stress, plain), name
        assert run_tool("inspect", stub, "elasticity").returncode == 0


@pytest.mark.parametrize("name", ODD)
def test_files_of_other_blocks_are_found_from_a_stub_elsewhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "values.txt").write_text("1")
    stub = compile_here(folder, output=tmp_path / "out")
    assert load_input(stub).file("values.txt").read_text() == "1"


def values(stub: Path, modulus: float) -> None:
    """Make the package of a stub one of another E."""
    path = metadata(stub)
    content = json.loads(path.read_text())
    content["parameters"][0]["value"] = [modulus]
    path.write_text(sealed(content))


def test_a_stub_moved_with_its_package_loads_that_package(tmp_path: Path) -> None:
    here = compile_here(tmp_path / "here")
    first = loaded(here)[0]
    shutil.copytree(here.parent, tmp_path / "there")
    moved = tmp_path / "there" / here.name
    compile_here(tmp_path / "here", ELASTICITY.replace("200e3", "100e3"))  # the old place goes on to another model
    for stress in loaded(moved):
        assert torch.equal(stress, first)
    for stress in loaded(here):
        assert torch.allclose(stress, first / 2, rtol=1e-14, atol=0)
    shutil.rmtree(tmp_path / "here")
    for stress in loaded(moved):
        assert torch.equal(stress, first)


def test_a_folder_beside_a_stub_that_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    here = compile_here(tmp_path / "here")
    first = loaded(here)[0]
    other = compile_here(tmp_path / "other", ELASTICITY.replace("200e3", "100e3"))
    alone = other.parent / "alone_aoti.i"
    alone.write_text(here.read_text())
    for stress in loaded(alone):
        assert torch.equal(stress, first)
    # an artifact_path changed by hand is meant
    pointed = other.read_text().replace(str(other.parent / "elasticity"), str(here.parent / "elasticity"))
    other.write_text(pointed)
    for stress in loaded(other):
        assert torch.equal(stress, first)


def test_stubs_of_earlier_versions_are_read_as_they_were(tmp_path: Path) -> None:
    here = compile_here(tmp_path / "here")
    lines = [line for line in here.read_text().splitlines() if "package =" not in line]
    here.write_text("\n".join(lines) + "\n")
    first = loaded(here)[0]
    shutil.copytree(here.parent, tmp_path / "there")
    shutil.rmtree(here.parent)
    assert torch.equal(loaded(tmp_path / "there" / here.name)[0], first)


@pytest.mark.parametrize("backend", ["native", "aoti"])
def test_nan_is_no_coefficient(tmp_path: Path, backend: str) -> None:
    (tmp_path / "input.i").write_text(ELASTICITY.replace("200e3", "nan"))
    done = run_tool("compile", "input.i", "--backend", backend, cwd=tmp_path)
    assert done.returncode == 2
    assert "input.i:4: [Models/elasticity] option 'coefficients'" in done.stderr and "NaN" in done.stderr
    assert not list(tmp_path.rglob("*_meta.json"))


BOUNDED = """
[Models]
  [elasticity]
    type = ScalarLinearCombination
    from = 'a b'
    to = c
    weights = '{} 1'
  []
[]
"""


@pytest.mark.parametrize("backend", ["native", "aoti"])
def test_infinity_is_carried_through(tmp_path: Path, backend: str) -> None:
    stub = compile_here(tmp_path, BOUNDED.format("-inf"), backend)
    model = load_model(stub, "elasticity")
    a, b = torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    expected = -torch.inf * a + b
    assert torch.equal(model.forward({"a": a, "b": b})["c"].nan_to_num(7.0), expected.nan_to_num(7.0))


def test_a_damaged_package_beside_a_stub_is_not_passed_over(tmp_path: Path) -> None:
    here = compile_here(tmp_path / "here")
    shutil.copytree(here.parent, tmp_path / "there")
    moved = tmp_path / "there" / here.name
    metadata(moved).write_text(metadata(moved).read_text().replace('"offset": 6', '"offset": 5'))
    with pytest.raises(FatalError, match="truncated or altered"):
        load_model(moved, "elasticity")

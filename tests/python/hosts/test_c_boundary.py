# SPDX-License-Identifier: MIT
"""Kernel.h for those who call it from elsewhere: which object to load, and the module for Fortran."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from host_programs import ALL, FOLDER, Laws

from input_texts import ELASTICITY
from neml2.compiler.package import isa
from neml2.installation import header_folder

FORTRAN = header_folder() / "neml2" / "native" / "neml2_native.f90"
FLAGS = ["-std=f2018", "-Wall", "-Wextra", "-Werror", "-Wno-compare-reals"]


def printed(program: Path, *arguments: object) -> list[str]:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def compiled_c(source: Path, target: Path) -> Path:
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{header_folder()}"]
    subprocess.run(["cc", *flags, source, "-o", target], check=True)
    return target


def test_the_instruction_sets_of_this_cpu(tmp_path: Path) -> None:
    """Best first, and the same that the compiler takes for `native`."""
    (tmp_path / "choose.c").write_text("""\
#include "neml2/native/choose.h"
#include <stdio.h>
int main(void)
{
  for (int k = 0; neml2_native_isa(k); ++k)
    puts(neml2_native_isa(k));
  return neml2_native_isa(-1) || neml2_native_isa(3);
}
""")
    found = printed(compiled_c(tmp_path / "choose.c", tmp_path / "choose"))
    levels = list(isa.LEVELS)
    assert found == levels[levels.index(isa.best()) :]


def test_the_fortran_module(laws: Laws, tmp_path: Path) -> None:
    """Its types are those of C, and a law can be loaded and called."""
    if not shutil.which("gfortran"):
        pytest.skip("there is no gfortran to compile the module with")
    program = tmp_path / "sizes"
    sources = [FORTRAN, FOLDER / "sizes.f90"]
    subprocess.run(["gfortran", *FLAGS, *sources, "-J", tmp_path, "-ldl", "-o", program], check=True, cwd=tmp_path)
    *sizes, message, about, one, two, three, refused = printed(
        program, laws(ELASTICITY, "elasticity", *ALL) / "liblaw.so"
    )
    assert sizes == printed(compiled_c(FOLDER / "sizes.c", tmp_path / "sizes_c"))
    assert "/nowhere.so" in message and about == "elasticity 0 -1"
    E, nu = 200e3, 0.3
    along, across = E * (1 - nu) / (1 + nu) / (1 - 2 * nu), E * nu / (1 + nu) / (1 - 2 * nu)
    for k, line in enumerate((one, two, three), 1):
        wanted = [k * 1e-3 * along, k * 1e-3 * across, along]
        np.testing.assert_allclose([float(x) for x in line.split()], wanted, rtol=1e-14)
    assert refused == "2 inputs given, elasticity has 1"

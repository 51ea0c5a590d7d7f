# SPDX-License-Identifier: MIT
"""Laws for hosts, and programs that call them, made once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from host_programs import FOLDER, Laws, Program

from neml2.cli.compile import main


@pytest.fixture(scope="session")
def laws(tmp_path_factory: pytest.TempPathFactory) -> Laws:
    """`laws(text, model, *flags)` -> the folder of a law that is called `law`; flags choose its interfaces."""
    made: dict[tuple[str, ...], Path] = {}

    def make(text: str, model: str, *flags: str) -> Path:
        key = (text, model, *flags)
        if key not in made:
            folder = tmp_path_factory.mktemp("law")
            (folder / "input.i").write_text(text)
            command = [str(folder / "input.i"), "-m", model, "-q", "-o", str(folder), "--backend", "native", *flags]
            assert main([*command, "--law", "law"]) == 0
            made[key] = folder / model / "law"
        return made[key]

    return make


@pytest.fixture(scope="session")
def umat(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """`umat(folder)` -> a Fortran program that calls the UMAT of the law in a folder."""
    if not shutil.which("gfortran"):
        pytest.skip("there is no gfortran to call a UMAT with")
    folder = tmp_path_factory.mktemp("umat")
    object_file = folder / "call_umat.o"
    subprocess.run(["gfortran", "-O0", "-c", FOLDER / "call_umat.f90", "-o", object_file], check=True, cwd=folder)
    programs: dict[Path, Path] = {}

    def program(law: Path) -> Path:
        if law not in programs:
            programs[law] = folder / f"call_{len(programs)}"
            link = ["gfortran", object_file, law / "liblaw.so", f"-Wl,-rpath,{law}", "-o", programs[law]]
            subprocess.run(link, check=True)
        return programs[law]

    return program


@pytest.fixture(scope="session")
def behaviour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A C program that loads generic behaviours."""
    program = tmp_path_factory.mktemp("behaviour") / "call_behaviour"
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, FOLDER / "call_behaviour.c", "-ldl", "-o", program], check=True)
    return program

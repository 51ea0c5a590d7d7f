# SPDX-License-Identifier: MIT
"""What is installed: strangers link it from CMake and through pkg-config; stubs and marker are in place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import neml2
from support import ROOT

CONSUMER = ROOT / "tests" / "cpp" / "consumer"
PREFIX = Path(neml2.cmake_prefix_path)


def run(*command: object, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_foreign_cmake_project_links_it(tmp_path: Path, promoted_stub: Path) -> None:
    cmake = shutil.which("cmake")
    assert cmake
    run(cmake, "-S", CONSUMER, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={PREFIX}", cwd=tmp_path)
    run(cmake, "--build", tmp_path, cwd=tmp_path)
    assert "ok" in run(tmp_path / "consumer", promoted_stub, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pkg-config"), reason="there is no pkg-config")
def test_a_makefile_links_it_through_pkg_config(tmp_path: Path, promoted_stub: Path) -> None:
    for name in ("main.cpp", "Makefile"):
        shutil.copy(CONSUMER / name, tmp_path)
    (config,) = PREFIX.rglob("neml2.pc")
    run("make", cwd=tmp_path, PKG_CONFIG_PATH=str(config.parent), MAKEFLAGS="")
    assert "ok" in run(tmp_path / "consumer", promoted_stub, cwd=tmp_path)


def test_another_torch_is_refused_by_the_cmake_package(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "version.py").write_text("__version__ = '1.2.3'\n")
    cmake = shutil.which("cmake")
    assert cmake
    options = [f"-DCMAKE_PREFIX_PATH={PREFIX}", f"-DNEML2_TORCH_DIR={tmp_path}/torch"]
    done = subprocess.run([cmake, "-S", CONSUMER, "-B", tmp_path / "b", *options], capture_output=True, text=True)
    assert done.returncode != 0
    assert "1.2.3" in done.stderr and "rebuild neml2" in " ".join(done.stderr.split())


def test_stubs_and_marker() -> None:
    import neml2._neml2 as extension

    assert extension.__file__
    folder = Path(extension.__file__).parent
    stub = (folder / "_neml2.pyi").read_text()
    assert "class Model" in stub and "def jacobian(self, inputs: " in stub
    compile(stub, "_neml2.pyi", "exec")
    assert neml2.__file__
    assert (Path(neml2.__file__).parent / "py.typed").exists()


def test_import_stays_light() -> None:
    script = "import sys, neml2; sys.exit('torch' in sys.modules or 'neml2._neml2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0

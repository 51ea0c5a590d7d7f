# SPDX-License-Identifier: MIT
"""The C boundary of a kernel: calls that cannot be are refused with a reason, and nothing of torch is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from native_kernels import built, explicit, from_text, viscoplastic

from neml2.compiler.backends.native import host, toolchain
from neml2.compiler.backends.native.text import kernel
from neml2.compiler.package import isa

FOLDER = Path(__file__).parent


def program():
    return explicit([6, 1], lambda g, x, y: [g.mul(g.make("exp", y[0]), v) for v in x], [(0, 0), (0, 1)])


def test_messages_name_what_is_wrong():
    library = built(program())
    x = np.ones((20, 6))
    with pytest.raises(host.CallError, match=r"inputs\[1\] \('x1'\) is null"):
        library.forward({"x0": x})
    with pytest.raises(host.CallError, match="multiple of"):
        library.forward({"x0": x, "x1": np.ones((20, 1))}, span=(1, 20))
    with pytest.raises(host.CallError, match="expected 0 <= begin <= end <= points"):
        library.forward({"x0": x, "x1": np.ones((20, 1))}, span=(0, 21))


def test_solver_settings_are_checked():
    library = built(from_text(viscoplastic(), "update")[1])
    values = {s.name: np.zeros((3, *s.shape)) for s in library.inputs}
    for field, value in (("max_its", 0), ("abs_tol", np.inf), ("rel_tol", -1.0), ("update_tol", np.nan),
                         ("criterion", np.nan), ("max_line_search", -1), ("cutback", 1.0)):  # fmt: skip
        bad = host.Solver.from_buffer_copy(library.solvers[0])
        bad.line_search = 1
        setattr(bad, field, value)
        with pytest.raises(host.CallError, match="settings"):
            library.forward(values, solvers=[bad])
    with pytest.raises(host.CallError, match="1"):
        library.forward(values, solvers=[bad, bad])


@pytest.mark.parametrize("level", [isa.best(), "generic"])
def test_fuzz_under_sanitizers(tmp_path, level):
    """Bad sizes, null pointers, misaligned and overlapping buffers, from C++, next to red zones."""
    (tmp_path / "kernel.cpp").write_text(kernel.source(program()))
    flags = [f for f in toolchain.FLAGS if f not in ("-shared", "-w", "-O2")]
    command = [toolchain.compiler(), *flags, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
               f"-march={isa.LEVELS[level][0]}", f"-I{toolchain.include_folder()}", str(tmp_path / "kernel.cpp"),
               str(FOLDER / "fuzz_boundary.cpp"), "-o", str(tmp_path / "fuzz")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if "cannot find" in done.stderr and "asan" in done.stderr:
        pytest.skip("no sanitizers here")
    assert done.returncode == 0, done.stderr
    ran = subprocess.run(
        [str(tmp_path / "fuzz")], capture_output=True, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_kernels_link_against_nothing_of_torch(tmp_path):
    library = toolchain.build(kernel.source(program()), tmp_path / "k.so")
    needed = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True)
    if needed.returncode:
        pytest.skip("no readelf here")
    names = [line.split("[")[1].rstrip("]") for line in needed.stdout.splitlines() if "NEEDED" in line]
    assert all(n.startswith(("libc.", "libm.", "libstdc++", "libgcc_s", "ld-linux")) for n in names), names
    symbols = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True).stdout
    assert [s.split()[-1] for s in symbols.splitlines() if " T " in s] == ["neml2_native_model_v1"]

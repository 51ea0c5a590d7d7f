# SPDX-License-Identifier: MIT
"""examples/embedding: programs in plain C and in Rust that evaluate a model with nothing but its shared object."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import neml2
from support import ROOT, Compile, metadata, run_tool

EXAMPLE = ROOT / "examples" / "embedding"
POINTS, STEPS = 5, 10


def walk(model: neml2.aoti.Model) -> list[list[float]]:
    """What the program prints, by way of the library: stress, plastic strain and stiffness along the first axis."""
    full = torch.tensor([0.01, -0.004, -0.004, 0, 0, 0], dtype=torch.float64).expand(POINTS, 6)
    zero = torch.zeros(POINTS, dtype=torch.float64)
    old = {"strain~1": 0 * full, "t~1": zero, "stress~1": 0 * full, "equivalent_plastic_strain~1": zero}
    for step in range(1, STEPS + 1):
        forces = {"strain": full * (step / STEPS), "t": torch.arange(1, POINTS + 1).double() * step}
        outputs, blocks = model.jacobian(old | forces)
        old = {f"{name}~1": value for name, value in (outputs | forces).items()}
    columns = [outputs["stress"][:, 0], outputs["equivalent_plastic_strain"], blocks["stress"]["strain"][:, 0, 0]]
    return torch.stack(columns, -1).tolist()


def test_same_numbers_without_torch(compiled: Compile, tmp_path: Path) -> None:
    flags = ("-d", "stress:strain", "--backend", "native")
    stub = compiled((EXAMPLE / "viscoplasticity.i").read_text(), "model", *flags)
    (package,) = metadata(stub).parent.glob("*.so")
    stem = package.with_name(package.stem.rpartition("_")[0])
    program = tmp_path / "host"
    headers = Path(neml2.cmake_prefix_path) / "include"
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{headers}"]
    built = subprocess.run([*command, EXAMPLE / "host.c", "-ldl", "-o", program], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr

    ran = subprocess.run([program, stem], capture_output=True, text=True, check=True)
    numbers = np.array([[float(word) for word in line.split()] for line in ran.stdout.splitlines()])
    expected = walk(neml2.aoti.Model(metadata(stub)))
    np.testing.assert_allclose(numbers[:, 2:], expected, rtol=1e-13)

    for file in (program, package):
        needed = subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout
        assert not any(name in needed for name in ("libtorch", "libc10", "libneml2", "libpython")), needed


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "host"
    headers = Path(neml2.cmake_prefix_path) / "include"
    subprocess.run(["cc", f"-I{headers}", EXAMPLE / "host.c", "-ldl", "-o", program], check=True)
    (tmp_path / "empty.c").write_text("int nothing;\n")
    subprocess.run(["cc", "-shared", tmp_path / "empty.c", "-o", tmp_path / "other_generic.so"], check=True)
    for name, said in (("other", "other is no native package of this version"), ("none", "none_generic.so")):
        ran = subprocess.run([program, tmp_path / name], capture_output=True, text=True)
        assert ran.returncode == 1
        assert said in ran.stderr


@pytest.mark.skipif(not shutil.which("rustc"), reason="there is no rustc to compile host.rs with")
def test_a_host_in_rust(tmp_path: Path) -> None:
    elasticity = ROOT / "examples" / "elasticity" / "input.i"
    flags = ("--backend", "native", "--interface", "c", "-d", "stress:strain")
    done = run_tool("compile", elasticity, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "aoti" / "elasticity" / "law"
    link = ["-L", folder, "-C", f"link-arg=-Wl,-rpath,{folder}"]
    subprocess.run(["rustc", "-D", "warnings", *link, EXAMPLE / "host.rs"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "host"], capture_output=True, text=True, check=True).stdout
    stress, tangent = (np.fromstring(part, sep=",") for part in re.findall(r"\[(.*?)\]", printed))
    E, nu = 200e3, 0.3
    np.testing.assert_allclose(stress, [200, 0, 0, 0, 0, 0], atol=1e-10)
    wanted = E / (1 + nu) / (1 - 2 * nu) * np.array([1 - nu, nu, nu, 0, 0, 0])
    np.testing.assert_allclose(tangent, wanted, rtol=1e-13)

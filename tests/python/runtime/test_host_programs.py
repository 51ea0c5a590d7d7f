# SPDX-License-Identifier: MIT
"""The C++ of README.md and docs/host.md: it compiles as it stands, against what is installed, and does what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from test_runtime_install import PREFIX, run

from neml2.aoti import History, Model
from support import ROOT, Compile, metadata

VISCOPLASTICITY = (ROOT / "examples" / "embedding" / "viscoplasticity.i").read_text()
FLAGS = ("-d", "stress:strain", "Solvers/newton/max_its:=8", "--backend", "native")
F64 = torch.float64

PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(snippets CXX)
find_package(neml2 REQUIRED)
foreach(name readme host)
  add_executable(${name} ${name}.cpp)
  target_link_libraries(${name} PRIVATE neml2::neml2)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Werror)
endforeach()
"""

# Checks the functions of docs/host.md. Arguments: a stub, and a file to write.
CHECKS = """
#include <iostream>
int main(int, char ** arguments)
{
  // Hooke's law of a strain in engineering shears: tau = G gamma, and DDSDDE is the textbook's matrix
  const double G = 80, lambda = 120, gamma[6] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
  double strain[6], stress[6], tangent[36] = {}, voigt[6], ddsdde[36];
  to_mandel(gamma, strain);
  for (int i = 0; i < 6; i++)
  {
    stress[i] = 2 * G * strain[i] + (i < 3 ? lambda * (strain[0] + strain[1] + strain[2]) : 0);
    for (int j = 0; j < 6; j++)
      tangent[6 * i + j] = (i == j ? 2 * G : 0) + (i < 3 && j < 3 ? lambda : 0);
  }
  from_mandel(stress, tangent, voigt, ddsdde);
  for (int i = 0; i < 6; i++)
  {
    double sum = 0;
    for (int j = 0; j < 6; j++)
      sum += ddsdde[i + 6 * j] * gamma[j];
    if (std::abs(sum - voigt[i]) > 1e-12 || (i > 2 && std::abs(voigt[i] - G * gamma[i]) > 1e-12))
      return std::cerr << "component " << i << "\\n", 1;
  }
  History block(load_model(arguments[1], "model"), 2, {{"stress", "strain"}});
  const auto small = at::full({2, 6}, 1e-6, at::kDouble);
  if (!step(block, 1, small) || step(block, 1, at::full({2, 6}, NAN, at::kDouble)))
    return std::cerr << "step\\n", 1;
  if (!at::equal(block.current("strain"), at::zeros({2, 6}, at::kDouble)))
    return std::cerr << "not taken back\\n", 1;
  restart(arguments[1], arguments[2]);
}
"""


def snippets(document: str) -> list[str]:
    return re.findall(r"```cpp\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snippets")
    (readme,) = snippets("README.md")
    (folder / "readme.cpp").write_text(readme)
    (folder / "host.cpp").write_text("\n".join(snippets("docs/host.md")) + CHECKS)
    (folder / "CMakeLists.txt").write_text(PROJECT)
    cmake = shutil.which("cmake")
    assert cmake
    run(cmake, "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={PREFIX}", cwd=folder)
    run(cmake, "--build", folder / "build", "-j2", cwd=folder)
    return folder / "build"


@pytest.mark.slow
def test_the_program_of_the_readme_cuts_its_steps(programs: Path, compiled: Compile) -> None:
    stub = compiled(VISCOPLASTICITY, "model", *FLAGS)
    said = run(programs / "readme", cwd=stub.parent.parent)
    assert "cut at 0: 1000 points failed" in said
    block = History(Model(metadata(stub)), 1, [("stress", "strain")])
    direction = torch.tensor([1, -0.5, -0.5, 0, 0, 0], dtype=F64)
    for step in range(1, 65):
        block.set("t", step / 64)
        block.set("strain", 0.02 * step / 64 * direction)
        block.evaluate()
        block.accept()
    first = float(re.findall(r"-?\d+\.\d+", said.rpartition("failed")[2])[0])
    assert first == pytest.approx(float(block.old("stress")[0, 0]), rel=1e-2)


@pytest.mark.slow
def test_the_functions_of_the_documentation(programs: Path, compiled: Compile, tmp_path: Path) -> None:
    stub = compiled(VISCOPLASTICITY, "model", *FLAGS)
    run(programs / "host", stub, tmp_path / "restart", cwd=tmp_path)
    block = History(Model(metadata(stub)), 3)
    block.read(tmp_path / "restart")
    assert block.old("equivalent_plastic_strain").tolist() == [0.25] * 3

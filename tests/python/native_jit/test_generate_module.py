# SPDX-License-Identifier: MIT
"""C++ modules: they build without dependencies, cleanly, and give what calls from Python give."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jit_functions as cases
import numpy as np
import pytest

import input_texts
from neml2.compiler.backends.native.text.cpp import argument_names, cpp_name
from neml2.hit import load_string
from neml2.native import Newton, NumericalFunction, generate_module, jit
from support import ROOT

FLAGS = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
WITHOUT_CLANG = pytest.mark.skipif(cases.CLANG is None, reason="clang++ is not installed")
COMPILERS = ["g++", pytest.param(cases.CLANG, marks=WITHOUT_CLANG)]


def functions() -> list[NumericalFunction]:
    elasticity = jit(load_string(input_texts.ELASTICITY).get_model("elasticity"))
    awkward = NumericalFunction(
        lambda a, b, c: (a + b, c * b), {"double": 2, "x_1": 2, "strain~1": ()}, ["double", "x_1"], name="awkward names"
    )
    return [
        cases.elastic(),
        elasticity,
        cases.all_operations(),
        cases.all_operations("float32"),
        cases.all_operations().jacobian("values", "x", value=True),
        cases.return_map(),
        cases.return_map().jacobian("u", "strain", value=True),
        cases.lowest(),
        cases.level("BACKTRACKING"),
        cases.level("STRONG_WOLFE"),
        jit(load_string(input_texts.decay()).get_model("update")),
        awkward,
    ]


def points(function: NumericalFunction) -> list[list[np.ndarray]]:
    """Arguments of some points."""
    random = np.random.default_rng(7)
    if "return_map" in function.name:
        old = cases.DEVIATOR @ random.uniform(-1e-4, 1e-4, 6)
        return [
            [np.zeros(7), s, old, np.array(1e-3)] for s in cases.strains(4, 3e-3) * np.linspace(1, 0.05, 4)[:, None]
        ]
    if "level" in function.name:
        return [[np.array(u), np.array(a)] for u, a in ((3.0, 0.0), (-4.0, 0.1), (0.1, 0.5))]
    if function.name == "update":
        order = {"x~1": 0.7, "t": 1.25, "t~1": 1.0}
        return [[np.array(order[name]) for name in function.inputs]]
    dtype = np.dtype(function.dtype)
    return [[random.uniform(-1, 1, s).astype(dtype) for s in function.inputs.values()] for _ in range(4)]


_PROGRAM = """\
#include "{module}.hpp"
#include <cstdio>
using {module}::Buffer;
template <class T, std::size_t... N>
void take(Buffer<T, N...> & b)
{{
  for (T & v : b.data)
  {{
    double x = 0;
    if (std::scanf("%la", &x) != 1)
      throw 1;
    v = static_cast<T>(x);
  }}
}}
template <class B>
void give(const B & b)
{{
  for (auto v : b.data)
    std::printf("%a ", static_cast<double>(v));
}}
int main()
{{
"""


def program_text(module: str, made: Sequence[NumericalFunction]) -> str:
    """A program that reads points from its input and prints results as hexadecimal numbers."""
    parts = [_PROGRAM.format(module=module)]
    for function in made:
        space = f"{module}::{cpp_name(function.name)}"
        inputs, outputs = argument_names(function.program)
        shapes = [*function.inputs.values(), *function.outputs.values()]
        declared = "".join(
            f"    Buffer<{', '.join([function.scalar, *map(str, s)])}> {n}{{}};\n"
            for n, s in zip(inputs + outputs, shapes, strict=True)
        )
        taken = "".join(f"    take({n});\n" for n in inputs)
        given = "".join(f"    give({n});\n" for n in outputs)
        call = f"{space}::evaluate({', '.join([*inputs, *outputs, 'w'])})"
        status = f'const auto r = {call}; std::printf("%d %d ", r ? 0 : 1, r.iterations)'
        call = status if function.program.solves else call
        for _ in points(function):
            parts.append(
                f'  {{\n    {space}::Workspace w;\n{declared}{taken}    {call};\n{given}    std::puts("");\n  }}\n'
            )
    return "".join([*parts, "}\n"])


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[NumericalFunction]]:
    folder = tmp_path_factory.mktemp("module")
    made = functions()
    generate_module("every_kind", made, folder)
    (folder / "main.cpp").write_text(program_text("every_kind", made))
    return folder, made


@cache
def sanitizers(compiler: str) -> list[str]:
    """The flags, unless the compiler comes without the libraries they need."""
    command = [compiler, *SANITIZERS, "-x", "c++", "-", "-o", os.devnull]
    return SANITIZERS if subprocess.run(command, input=b"int main() {}", capture_output=True).returncode == 0 else []


def build(compiler: str, folder: Path, *sources: str) -> Path:
    target = folder / f"program_{compiler}"
    command = [compiler, *FLAGS, *sanitizers(compiler), f"-I{folder}", *sources, "-o", str(target)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_module_gives_what_calls_give(compiler, module):
    folder, made = module
    program = build(compiler, folder, "main.cpp", "every_kind.cpp")
    given = " ".join(float(v).hex() for f in made for p in points(f) for a in p for v in a.reshape(-1))
    done = subprocess.run([program], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = iter(done.stdout.splitlines())
    for function in made:
        for arguments in points(function):
            numbers = next(lines).split()
            values, report = function.with_report(*arguments)
            if function.program.solves:
                assert [int(n) for n in numbers[:2]] == [int(report.status.any()), int(report.iterations[0])]
                numbers = numbers[2:]
            expected = values if isinstance(values, tuple) else (values,)
            found = np.array([float.fromhex(n) for n in numbers])
            for value in expected:
                part, found = found[: value.size], found[value.size :]
                compare(function, part, value.astype(np.float64).reshape(-1))
            assert not found.size


def compare(function: NumericalFunction, found: np.ndarray, expected: np.ndarray) -> None:
    """To a few units in the last place of the largest component: where sums cancel, products rounded once (FMA)
    leave other remainders than products rounded twice."""
    few = 16 if function.program.solves else 4
    allowed = few * np.finfo(function.dtype).eps * np.max(np.abs(expected))
    assert np.max(np.abs(found - expected)) <= allowed, function.name


def test_a_module_is_self_contained(module):
    folder, _ = module
    text = (folder / "every_kind.hpp").read_text() + (folder / "every_kind.cpp").read_text()
    assert set(re.findall(r"#include (\S+)", text)) == {
        "<cstddef>",
        '"every_kind.hpp"',
        "<cmath>",
        "<limits>",
        "<utility>",
    }
    for word in ("__", "malloc", "thread_local", " new "):
        assert word not in text, word
    assert "/// @param[in] strain (6), SR2\n/// @param[out] stress (6), SR2" in text


def test_results_may_lie_where_arguments_do(tmp_path):
    swap = NumericalFunction(lambda x: x.flip(0) + 0 * x, {"x": 3}, "y", name="swap")
    generate_module("places", [swap], tmp_path)
    (tmp_path / "main.cpp").write_text(
        '#include "places.hpp"\nint main()\n{\n  places::Buffer<double, 3> x{{1, 2, 3}};\n'
        "  places::swap::Workspace w;\n  places::swap::evaluate(x, x, w);\n"
        "  return x(0) == 3 && x(1) == 2 && x(2) == 1 ? 0 : 1;\n}\n"
    )
    assert subprocess.run([build("g++", tmp_path, "main.cpp", "places.cpp")]).returncode == 0


def test_the_example_prints_the_closed_form(tmp_path):
    import runpy

    example = ROOT / "examples" / "standalone"
    defined = runpy.run_path(str(example / "generate.py"))
    generate_module("plasticity", [defined["stress"], defined["return_map"]], tmp_path)
    program = build("g++", tmp_path, str(example / "main.cpp"), "plasticity.cpp")
    rows = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    G, sy, H = defined["G"], defined["YIELD_STRESS"], defined["HARDENING"]
    for row in rows:
        gamma, tau, _ = map(float, row.split())
        elastic = np.sqrt(3) * G * gamma
        flow = max(elastic - sy, 0) / (3 * G + H)
        assert tau == pytest.approx(min(elastic, sy + H * flow) / np.sqrt(3), abs=1e-4)


def test_what_cannot_be_a_module_is_refused(tmp_path):
    function = cases.elastic()
    for name in ("my module", "9lives", "namespace", ""):
        with pytest.raises(ValueError, match="no name for a module"):
            generate_module(name, [function], tmp_path)
    with pytest.raises(ValueError, match="two functions are called 'elastic'"):
        generate_module("twice", [function, function], tmp_path)
    with pytest.raises(ValueError, match="no functions"):
        generate_module("none", [], tmp_path)
    with pytest.raises(TypeError, match="expected NumericalFunctions, not function"):
        generate_module("raw", [lambda x: x], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_point_that_is_given_nan_fails(tmp_path):
    generate_module("hears", [cases.deaf()], tmp_path)
    (tmp_path / "main.cpp").write_text(
        '#include "hears.hpp"\n#include <cmath>\nint main()\n{\n  using namespace hears;\n  deaf::Workspace w;\n'
        '  Buffer<double> u{{2}}, a{{0.5}}, b{{3}}, nan{{std::nan("")}}, large{{INFINITY}}, y;\n'
        "  const auto lost = [](Result r)\n"
        "  { return r.status == Status::not_finite && r.iterations == 0 && !std::isfinite(r.residual); };\n"
        "  const Buffer<double> * const bads[] = {&nan, &large};\n"
        "  if (!deaf::evaluate(u, a, b, y, w) || y[0] != 0.5) return 1;\n"
        "  for (const auto * bad : bads)\n"
        "    if (!lost(deaf::evaluate(*bad, a, b, y, w)) || !lost(deaf::evaluate(u, *bad, b, y, w)) ||\n"
        "        !lost(deaf::evaluate(u, a, *bad, y, w))) return 2;\n  return 0;\n}\n"
    )
    assert subprocess.run([build("g++", tmp_path, "main.cpp", "hears.cpp")]).returncode == 0


def test_solvers_that_fail_say_so(tmp_path):
    residual = NumericalFunction(lambda u: u * u + 1, {"u": ()}, "r", name="no_root")
    generate_module("fails", [Newton(residual, name="search", max_its=9)], tmp_path)
    (tmp_path / "main.cpp").write_text(
        '#include "fails.hpp"\nint main()\n{\n  fails::search::Workspace w;\n  fails::Buffer<double> u{{3}};\n'
        "  auto r = fails::search::evaluate(u, u, w);\n"
        "  if (r || r.status != fails::Status::iterations_used_up || r.iterations != 8) return 1;\n  u[0] = 0;\n"
        "  return fails::search::evaluate(u, u, w).status == fails::Status::singular ? 0 : 2;\n}\n"
    )
    assert subprocess.run([build("g++", tmp_path, "main.cpp", "fails.cpp")]).returncode == 0

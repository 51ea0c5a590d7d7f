# SPDX-License-Identifier: MIT
"""What the commands' help says: each example runs as it stands; and words that point to the mistake."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import neml2
from input_texts import ELASTICITY, decay
from support import ROOT, run_tool

COMMANDS = ("compile", "run", "inspect", "syntax", "cache", "calibrate")
INPUT = (
    ELASTICITY
    + """\
[Drivers]
  [check]
    type = ModelUnitTest
    model = 'elasticity'
    input_SR2_names = 'strain'
    input_SR2_values = 'strain'
    check_derivatives = false
  []
[]
[Tensors]
  [strain]
    type = Python
    expr = 'SR2(torch.zeros(6, dtype=torch.float64))'
  []
[]
[Calibration]
  [E]
    type = FitParameter
    lower = 1e5
    upper = 3e5
  []
  [tension]
    type = Experiment
    file = 'tension.csv'
  []
  [fit]
    type = LeastSquares
    model = 'elasticity'
    parameters = 'E'
    experiments = 'tension'
  []
[]
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("help")
    (folder / "input.i").write_text(INPUT)
    (folder / "tension.csv").write_text("time,strain.xx,stress.xx\n0,0,0\n1,1e-3,270\n2,2e-3,539\n")
    (folder / "bin").mkdir()
    for name in COMMANDS:
        script = folder / "bin" / f"neml2-{name}"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m neml2.cli.{name} "$@"\n')
        script.chmod(0o755)
    return folder


def examples(name: str) -> list[str]:
    text = run_tool(name, "--help").stdout.partition("examples:")[2]
    return [re.split(r"\s{3,}", line.strip())[0] for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_runs_in_a_shell(name, folder):
    found = examples(name)
    assert found
    for line in found:
        command = f'PATH="{folder}/bin:$PATH"; {line}'
        done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("name", COMMANDS)
def test_version(name):
    assert run_tool(name, "--version").stdout == f"neml2-{name} {neml2.__version__}\n"


def test_the_readme_compiles_as_it_says():
    text = (ROOT / "README.md").read_text()
    assert ELASTICITY.split()[5:] == re.findall(r"```\n(\[Models\].*?)```", text, re.DOTALL)[0].split()[5:]


def test_every_type_has_text():
    types = json.loads(run_tool("syntax", "--json").stdout)  # in a process without the types of tests
    assert not [e["name"] for e in types if not e["description"]]
    csv = next(e for e in types if e["name"] == "CSVSR2")
    assert [row["name"] for row in csv["options"]] == ["csv_file", "variable", "column_names"]


def test_a_missing_value_says_what_to_append(folder):
    text = INPUT.replace("'200e3 ", "'${modulus} ")
    (folder / "open.i").write_text(text)
    done = run_tool("compile", "open.i", "--model", "elasticity", "-o", "nothing/below", cwd=folder)
    assert done.returncode == 2 and "appending 'modulus=VALUE'" in done.stderr
    assert not (folder / "nothing").exists()


def test_a_refused_compile_leaves_no_folder(folder):
    done = run_tool("compile", "input.i", "--model", "elasticity", "-p", "EE", "-o", "nothing/below", cwd=folder)
    assert done.returncode == 2 and "no parameter 'EE'" in done.stderr
    assert not (folder / "nothing").exists()
    (folder / "there").mkdir()
    run_tool("compile", "input.i", "--model", "elasticity", "-p", "EE", "-o", "there", cwd=folder)
    assert (folder / "there").is_dir() and not list((folder / "there").iterdir())


def test_single_precision_hints_at_tolerances(capsys):
    from neml2.cli._common import hint_at_tolerances
    from neml2.hit import load_string

    source = load_string(decay())
    source.get_model("update")
    hint_at_tolerances("neml2-run", source, "float64")
    assert not capsys.readouterr().err
    hint_at_tolerances("neml2-run", source, "float32")
    assert "Solvers/newton" in (said := capsys.readouterr().err) and "try Solvers/newton/rel_tol:=1e-5" in said
    source = load_string(decay(), post=["Solvers/newton/rel_tol:=1e-5"])
    source.get_model("update")
    hint_at_tolerances("neml2-run", source, "float32")
    assert not capsys.readouterr().err


def test_brackets_around_letters_keep_their_size():
    from neml2.cli._mathml import mathml

    assert mathml("r(u; g) = 0").count('stretchy="false"') == 2
    assert "stretchy" not in mathml("f(a/b) = 0")

# SPDX-License-Identifier: MIT
"""Types from a user's own file, and from installed packages."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
import torch

import neml2
from neml2.errors import ExtensionError
from neml2.hit import REGISTRIES
from neml2.hit.registry import place_in_extension
from support import run_tool

MODEL = '''\
from neml2.models import Input, Model, Output, Parameter, register
from neml2.types import Scalar


@register("{name}")
class {name}(Model):
    """Quadratic law, y = c x^2."""

    x = Input(Scalar)
    y = Output(Scalar)
    c = Parameter(Scalar, promotable=True)

    def forward(self, x: Scalar, c: Scalar) -> Scalar:
        return c * x * x
'''

INPUT = """\
[Models]
  [law]
    type = {name}
    c = 3
  []
[]
[Drivers]
  [check]
    type = ModelUnitTest
    model = 'law'
    input_Scalar_names = 'x'
    input_Scalar_values = '2'
    output_Scalar_names = 'y'
    output_Scalar_values = '12'
  []
[]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODEL.format(name="QuadraticOfMine"))
    (tmp_path / "mine.i").write_text(INPUT.format(name="QuadraticOfMine"))
    return tmp_path


COMMANDS = {
    "run": (["mine.i", "check", "--load", "mine.py"], "check: passed"),
    "inspect": (["--load", "mine.py", "mine.i", "law"], "law: QuadraticOfMine"),
    "syntax": (["--load", "mine.py", "QuadraticOfMine"], "y = c x^2"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_load_on_every_command(command: str, folder: Path) -> None:
    arguments, expected = COMMANDS[command]
    done = run_tool(command, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_compile_loads_it_and_the_package_needs_it_no_more(folder: Path) -> None:
    done = run_tool("compile", "mine.i", "--model", "law", "-d", ":", "-p", "c", "--load", "mine.py", "-q", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "mine.py").unlink()
    pytest.importorskip("neml2._neml2", reason="the compiled library is not built")
    model = neml2.load_model(folder / "aoti" / "law_aoti.i", "law")
    (y,) = model(torch.tensor([0.0, 2.0], dtype=torch.float64))
    assert y.data.tolist() == [0.0, 12.0]


@pytest.mark.parametrize("command", ["run", "inspect", "compile"])
def test_without_load_the_message_names_it(command: str, folder: Path) -> None:
    last = {"run": ["check"], "inspect": ["law"], "compile": ["--model", "law"]}[command]
    done = run_tool(command, "mine.i", *last, cwd=folder)
    assert done.returncode != 0
    assert "mine.i:3" in done.stderr and "'QuadraticOfMine'" in done.stderr and "--load" in done.stderr


def test_missing_file(folder: Path) -> None:
    for command, arguments in {**COMMANDS, "compile": (["mine.i", "--load", "mine.py"], "")}.items():
        replaced = [word.replace("mine.py", "none.py") for word in arguments[0]]
        done = run_tool(command, *replaced, cwd=folder)
        assert done.returncode == 2
        assert "none.py: no such extension file" in done.stderr
        assert "Traceback" not in done.stderr


WRONG = {
    "syntax": (lambda text: text.replace("class QuadraticOfMine(Model):", "class QuadraticOfMine(Model)"), 6, "Syntax"),
    "name": (lambda text: text.replace("Output(Scalar)", "Outputs(Scalar)"), 10, "NameError"),
    "import": (lambda text: text.replace("import Scalar", "import Skalar"), 2, "ImportError"),
    "register": (lambda text: text.replace('"QuadraticOfMine"', '"LinearIsotropicElasticity"'), 5, "ValueError"),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("command", [*COMMANDS, "compile"])
def test_mistakes_at_loading_name_file_and_line(
    mistake: str, command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    change, line, kind = WRONG[mistake]
    path = folder / "mine.py"
    path.write_text(change(path.read_text()))
    REGISTRIES["Models"].lookup("LinearIsotropicElasticity")  # a name that is taken is noticed when both are known
    monkeypatch.chdir(folder)
    arguments = COMMANDS[command][0] if command != "compile" else ["mine.i", "--load", "mine.py"]
    assert importlib.import_module(f"neml2.cli.{command}").main(arguments) != 0
    message = capsys.readouterr().err
    assert f"mine.py:{line}: {kind}" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "compile"])
def test_mistakes_when_it_runs_name_file_and_line(command: str, folder: Path) -> None:
    path = folder / "mine.py"
    path.write_text(path.read_text().replace("return c * x * x", "return c * x * z"))
    last = {"run": ["check"], "compile": ["--model", "law", "-q"]}[command]
    done = run_tool(command, "mine.i", *last, "--load", "mine.py", cwd=folder)
    assert done.returncode != 0
    assert "mine.py:14: NameError" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_from_python(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(MODEL.format(name="QuadraticFromPython"))
    module = neml2.load_extension(path)
    assert neml2.load_extension(path) is module
    source = neml2.hit.load_string(INPUT.format(name="QuadraticFromPython"))
    model = source.get_model("law")
    assert type(model) is module.QuadraticFromPython
    assert model(2.0).data.tolist() == 12.0


def test_a_file_that_failed_may_be_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "again.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ExtensionError, match=r"again\.py:1: ZeroDivisionError: division by zero") as caught:
        neml2.load_extension(path)
    assert caught.value.where.line == 1
    path.write_text("value = 1\n")
    assert neml2.load_extension(path).value == 1


def test_place_of_an_error() -> None:
    assert place_in_extension(ValueError("elsewhere")) is None


# -- installed packages ------------------------------------------------------------------------------------------


def install(site: Path, package: str, text: str, entry: str = "") -> None:
    """A distribution as pip leaves it: a module, and metadata with an entry point."""
    (site / f"{package}.py").write_text(text)
    metadata = site / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[neml2.models]\nmodels = {entry or package}\n")


def with_site(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])}


@pytest.mark.parametrize("command", COMMANDS)
def test_installed_package_needs_no_load(command: str, folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "quadratic_package", (folder / "mine.py").read_text())
    arguments, expected = COMMANDS[command]
    kept = [word for word in arguments if word not in ("--load", "mine.py")]
    done = run_tool(command, *kept, cwd=folder, **with_site(site))
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_a_broken_package_is_named_and_left_out(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "broken_package", "1 / 0\n")
    install(site, "quadratic_package", (folder / "mine.py").read_text())
    done = run_tool("run", "mine.i", "check", cwd=folder, **with_site(site))
    assert done.returncode == 0, done.stderr
    assert "broken_package" in done.stderr and "ZeroDivisionError" in done.stderr


def test_installed_package_is_not_imported_unless_needed(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "broken_package", "1 / 0\n")
    (folder / "mine.i").write_text("[Models]\n  [law]\n    type = CopyScalar\n    from = 'a'\n    to = 'b'\n  []\n[]\n")
    done = run_tool("inspect", "mine.i", "law", cwd=folder, **with_site(site))
    assert done.returncode == 0 and done.stderr == ""

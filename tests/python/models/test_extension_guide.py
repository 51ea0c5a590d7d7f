# SPDX-License-Identifier: MIT
"""docs/your-own-model.md: its files are those of the example, and its commands do what it says."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT, run_tool

GUIDE = ROOT / "docs" / "your-own-model.md"
EXAMPLE = ROOT / "examples" / "your_own_model"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(GUIDE.read_text()) if name == language]


def commands() -> list[tuple[str, str]]:
    """Pairs (command, output shown), in the order of the page."""
    parts = [part for text in blocks("console") for part in re.split(r"^\$ ", text, flags=re.MULTILINE) if part]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def shown(expected: str) -> re.Pattern[str]:
    """What the page shows; `...` stands for anything within a line."""
    return re.compile(re.escape(expected.strip()).replace(re.escape("..."), ".*"))


def test_the_page_shows_the_files_of_the_example() -> None:
    assert (EXAMPLE / "swift.py").read_text() in blocks("python")
    assert (EXAMPLE / "swift.i").read_text() in blocks("")


def test_the_model_takes_fifteen_lines() -> None:
    lines = (EXAMPLE / "swift.py").read_text().splitlines()
    assert sum(bool(line.strip()) and not line.startswith("#") for line in lines) <= 15


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str, int, str]]]:
    """The folder after all commands; of each the command, the output shown, its exit status and output."""
    folder = tmp_path_factory.mktemp("guide")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    (folder / "broken.py").write_text((EXAMPLE / "swift.py").read_text().replace("import Input, Model", "import Model"))
    found = []
    for command, expected in commands():
        name, *arguments = shlex.split(command)
        done = run_tool(name.removeprefix("neml2-"), *arguments, cwd=folder)
        found.append((command, expected, done.returncode, (done.stdout + done.stderr).strip()))
    return folder, found


def test_every_command_does_what_the_page_says(walked: tuple[Path, list[tuple[str, str, int, str]]]) -> None:
    names = set()
    for command, expected, status, output in walked[1]:
        names.add(shlex.split(command)[0])
        fails = expected.startswith(f"{shlex.split(command)[0]}: ")
        assert (status != 0) == fails, f"{command}\n{output}"
        assert shown(expected).fullmatch(output), f"{command}\n{output}\n--- the page shows\n{expected}"
    assert names == {"neml2-run", "neml2-inspect", "neml2-syntax", "neml2-compile"}


def test_the_python_code_runs_on_the_package(walked: tuple[Path, list[tuple[str, str, int, str]]]) -> None:
    code = [text for text in blocks("python") if "load_model" in text]
    assert len(code) == 1
    pytest.importorskip("neml2._neml2", reason="the compiled library is not built")
    subprocess.run([sys.executable, "-c", code[0]], cwd=walked[0], check=True, timeout=300)


def test_the_entry_point_group_is_the_one_that_is_read() -> None:
    from neml2.hit.registry import ENTRY_POINTS

    assert f'[project.entry-points."{ENTRY_POINTS}"]' in blocks("toml")[0]

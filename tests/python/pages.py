# SPDX-License-Identifier: MIT
"""Pages of docs/ whose snippets run, in their order: files, shell and Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

_FENCE = re.compile(r"(?:^`(?P<file>[\w.]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def _commands(folder: Path) -> str:
    """A folder with the commands of this source tree."""
    folder.mkdir()
    for name in ("compile", "cache", "calibrate", "inspect"):
        script = folder / f"neml2-{name}"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m neml2.cli.{name} "$@"\n')
        script.chmod(0o755)
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def run_page(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the snippets of docs/`name` in `folder`; prints what commands print. Returns their languages."""
    monkeypatch.setenv("PATH", _commands(folder / "bin"))
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    languages = []
    for found in _FENCE.finditer((ROOT / "docs" / name).read_text()):
        language, text = found["language"], found["text"]
        languages.append(language)
        if found["file"]:
            Path(found["file"]).write_text(text)
        elif language == "python":
            exec(compile(text, f"docs/{name}", "exec"), names)
        elif language == "sh":
            done = subprocess.run(["sh", "-e", "-c", text], capture_output=True, text=True)
            assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
            print(done.stdout)
    return languages

# SPDX-License-Identifier: MIT
"""docs/native.md: its snippets run, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support import ROOT

FENCE = re.compile(r"(?:^`(?P<file>[\w.]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(folder: Path) -> str:
    """A folder with the commands of this source tree."""
    folder.mkdir()
    for name in ("compile", "cache"):
        script = folder / f"neml2-{name}"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m neml2.cli.{name} "$@"\n')
        script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_page_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PATH", commands(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    languages = []
    for found in FENCE.finditer((ROOT / "docs" / "native.md").read_text()):
        language, text = found["language"], found["text"]
        languages.append(language)
        if found["file"]:
            Path(found["file"]).write_text(text)
        elif language == "python":
            exec(compile(text, "docs/native.md", "exec"), names)
        elif language == "sh":
            done = subprocess.run(["sh", "-e", "-c", text], capture_output=True, text=True)
            assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
            print(done.stdout)
    assert languages.count("python") >= 5 and {"ini", "sh", "cpp"} <= set(languages)
    printed = capfd.readouterr().out
    assert "200\n2 after" in printed and "von_mises(stress[6]) -> size" in printed

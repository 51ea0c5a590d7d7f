# SPDX-License-Identifier: MIT
"""Snippets of the pages on native code and on gradients run, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import torch

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


def run_page(page: str, folder: Path, monkeypatch) -> tuple[list[str], dict[str, object]]:
    """Runs the snippets of a page in a folder; their languages, and what the Python ones defined."""
    monkeypatch.setenv("PATH", commands(folder / "bin"))
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    languages = []
    for found in FENCE.finditer((ROOT / "docs" / page).read_text()):
        language, text = found["language"], found["text"]
        languages.append(language)
        if found["file"]:
            Path(found["file"]).write_text(text)
        elif language == "python":
            exec(compile(text, f"docs/{page}", "exec"), names)
        elif language == "sh":
            done = subprocess.run(["sh", "-e", "-c", text], capture_output=True, text=True)
            assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
            print(done.stdout)
    return languages, names


def test_the_page_on_native_code_runs(tmp_path, monkeypatch, capfd):
    languages, _ = run_page("native.md", tmp_path, monkeypatch)
    assert languages.count("python") >= 5 and {"ini", "sh", "cpp"} <= set(languages)
    printed = capfd.readouterr().out
    assert "200\n2 after" in printed and "von_mises(stress[6]) -> size" in printed


def test_the_page_on_gradients_runs(tmp_path, monkeypatch):
    before = torch.get_default_dtype()
    try:
        languages, names = run_page("gradients.md", tmp_path, monkeypatch)
    finally:
        torch.set_default_dtype(before)
    assert languages.count("python") >= 4 and {"ini", "sh"} <= set(languages)
    x = names["inputs"]["x~1"]
    torch.testing.assert_close(names["found"]["x~1"], torch.full_like(x, 0.5))  # 1 / (1 + 2 dt)
    torch.testing.assert_close(names["found"][names["K"]], (x * 0.5 / 4).sum())  # d(x / (1 - k dt))/dk = x dt / 4
    torch.testing.assert_close(names["weight"].grad, (2 * x / 2 * x * 0.5 / 4).sum())
    torch.testing.assert_close(names["x"].grad, x / 2)

# SPDX-License-Identifier: MIT
"""Fixtures that tests of all rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Compile, run_tool


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """`compiled(text, model, *flags)` -> the stub of the compiled model; each combination is compiled once."""
    stubs: dict[tuple[str, ...], Path] = {}

    def compile_once(text: str, model: str, *flags: str) -> Path:
        key = (text, model, *flags)
        if key not in stubs:
            folder = tmp_path_factory.mktemp("compiled")
            (folder / "input.i").write_text(text)
            done = run_tool("compile", "input.i", "--model", model, *flags, cwd=folder)
            assert done.returncode == 0, done.stderr
            stubs[key] = folder / "aoti" / f"{model}_aoti.i"
        return stubs[key]

    return compile_once

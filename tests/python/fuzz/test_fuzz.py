# SPDX-License-Identifier: MIT
"""The fuzzers, for a few seconds each; `make fuzz` runs them longer. And the runner itself."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support import ROOT

FOLDER = ROOT / "tests" / "fuzz"


def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_run", FOLDER / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("target", runner().targets())
def test_a_short_run(target: str, tmp_path: Path) -> None:
    outcome = runner().run(target, seed=1, cases=60, seconds=300, keep=tmp_path, show=False)
    assert not outcome.failures, outcome.failures
    assert outcome.cases == 60


ENDINGS = """\
import os, signal, time
class Target:
    def __init__(self, folder):
        self.folder = folder
    def run(self, rng):
        kind = rng.randrange(4)
        (self.folder / "kind").write_text(str(kind))
        if kind == 1:
            raise AssertionError("wrong end")
        if kind == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == 3:
            while True: time.sleep(1)
"""


def test_crashes_hangs_and_wrong_ends_are_found_and_can_be_repeated(tmp_path: Path) -> None:
    import random

    folder, keep = tmp_path / "fuzz", tmp_path / "keep"
    folder.mkdir()
    text = (FOLDER / "run.py").read_text().replace("CASE_SECONDS = 60", "CASE_SECONDS = 1")
    (folder / "run.py").write_text(text)
    (folder / "endings.py").write_text(ENDINGS)
    seeds = range(100, 112)
    kinds = [random.Random(seed).randrange(4) for seed in seeds]
    assert set(kinds) == {0, 1, 2, 3}
    command = [sys.executable, str(folder / "run.py"), "--targets", "endings", "--keep", str(keep)]

    def run(first: int, cases: int) -> subprocess.CompletedProcess[str]:
        arguments = ["--seed", str(first), "--cases", str(cases)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, env=os.environ, timeout=120)

    done = run(seeds[0], len(seeds))
    assert done.returncode == 1
    failed = [seed for seed, kind in zip(seeds, kinds, strict=True) if kind]
    assert f"endings: {len(seeds)} cases in" in done.stdout and f"{len(failed)} failed" in done.stdout
    words = {1: "AssertionError: wrong end", 2: "killed by SIGSEGV", 3: "took more than 1 s"}
    for seed, kind in zip(seeds, kinds, strict=True):
        assert (f"--seed {seed} --cases 1" in done.stdout) == (kind != 0)
        if kind:
            assert words[kind] in done.stdout
            assert (keep / f"endings-{seed}" / "kind").read_text() == str(kind)
    again = run(failed[0], 1)
    assert again.returncode == 1 and "1 cases in" in again.stdout and "1 failed" in again.stdout

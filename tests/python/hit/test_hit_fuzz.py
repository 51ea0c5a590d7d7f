# SPDX-License-Identifier: MIT
"""A short run of the fuzzer of input files, in a process of its own: it survives, and nothing is found."""

from __future__ import annotations

import os
import subprocess
import sys

from support import ROOT

CASES = 60
CODE = f"""
import pathlib, random, sys, tempfile
sys.path.insert(0, {str(ROOT / "tests" / "fuzz")!r})
import inputs
target = inputs.Target(pathlib.Path(tempfile.mkdtemp()))
for seed in range({CASES}):
    print(seed, flush=True)
    target.run(random.Random(seed))
"""


def test_a_short_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, f"seed {done.stdout.split()[-1]}: {done.stderr}"

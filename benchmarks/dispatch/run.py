# SPDX-License-Identifier: MIT
"""What dispatching a batch costs: compile elasticity and an implicit model, and run `bench_dispatch` on them.

    python benchmarks/dispatch/run.py PROGRAM [--model isoharden] [--backend native]

PROGRAM is `bench_dispatch` (target of the same name).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description="What dispatching a batch costs.")
    parser.add_argument("program", type=Path)
    parser.add_argument("--model", default="isoharden", help="input file of benchmarks/implicit")
    parser.add_argument("--backend", default="native", choices=["aoti", "native"])
    options = parser.parse_args()
    sys.path.insert(0, str(BENCHMARKS / "implicit"))
    from run import compiled  # of benchmarks/implicit

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        metadata = compiled(options.model, options.backend, folder)
        if metadata is None:
            return 1
        elasticity = BENCHMARKS.parent / "tests" / "cpp" / "packages" / "elasticity.i"
        command = ["--model", "elasticity", "-o", name, "--backend", options.backend, "-q"]
        subprocess.run([sys.executable, "-m", "neml2.cli.compile", str(elasticity), *command], check=True)
        stubs = [folder / "elasticity_aoti.i", folder / options.backend / "model_aoti.i"]
        return subprocess.run([options.program, *stubs]).returncode


if __name__ == "__main__":
    sys.exit(main())

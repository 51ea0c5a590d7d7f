# SPDX-License-Identifier: MIT
"""Compile the packages that the C++ tests load, into the folder given as argument.

A package is compiled again only when its input, its options or the compiler's sources have changed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[2] / "python" / "neml2"
# folder: input file, model, options
PACKAGES = {
    "baked": ("elasticity.i", "elasticity", ["-d", "stress:strain"]),
    "plain": ("elasticity.i", "elasticity", []),
    "promoted": ("elasticity.i", "elasticity", ["-p", "E", "-p", "nu", "-d", "stress:strain", "-d", "stress:E"]),
    "single": ("elasticity.i", "elasticity", ["--dtype", "float32", "-p", "E", "-d", "stress:strain"]),
    "isoharden": ("../../../benchmarks/implicit/isoharden.i", "model", ["-d", ":"]),
    "native": ("elasticity.i", "elasticity", ["-p", "E", "-d", ":", "--backend", "native"]),
    "isoharden_native": ("../../../benchmarks/implicit/isoharden.i", "model", ["-d", ":", "--backend", "native"]),
    "combination": ("combination.i", "combination", ["-d", ":"]),
}


def fingerprint(text: str) -> str:
    """Hash of an input and its options together with everything that compiles it."""
    digest = hashlib.sha256(text.encode())
    for folder in ("compiler", "models", "types", "hit"):
        for source in sorted((SOURCES / folder).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def main(target: Path, names: Iterable[str] = PACKAGES) -> int:
    sys.path.insert(0, str(SOURCES.parent))
    for folder in names:
        source, model, options = PACKAGES[folder]
        stamp = target / folder / "stamp"
        mark = fingerprint((HERE / source).read_text() + repr(options))
        if stamp.exists() and stamp.read_text() == mark:
            continue
        from neml2.cli.compile import main as compile_main

        arguments = [str(HERE / source), "--model", model, "--output-dir", str(target / folder), "-q", *options]
        status = compile_main(arguments)
        if status:
            return status
        stamp.write_text(mark)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

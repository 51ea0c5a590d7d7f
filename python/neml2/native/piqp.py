# SPDX-License-Identifier: MIT
"""Where PIQP's C library is, and how it comes to be there.

    python -m neml2.native.piqp [--prefix FOLDER]

builds it from the source distribution on the package registry, which takes about a minute and needs a C++ compiler,
Eigen 3 and CMake.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.7.0"


class MissingPIQP(ImportError):
    """PIQP's C library is nowhere."""


@dataclass(frozen=True)
class Library:
    """The folder of `piqp.h`, and the library."""

    include: Path
    library: Path

    @property
    def flags(self) -> list[str]:
        """What a compiler needs, behind the sources."""
        folder = self.library.parent
        return ["-I", str(self.include), str(self.library), f"-Wl,-rpath,{folder}"]


def find() -> Library:
    """In `$PIQP_DIR`, the environment of this Python, the user's data folder, /usr/local and /usr. Raises
    MissingPIQP."""
    for prefix in _prefixes():
        for library in (*prefix.glob("lib*/libpiqpc.so"), *prefix.glob("lib/*/libpiqpc.so")):
            for include in (prefix / "include" / "piqp_c", prefix / "include"):
                if (include / "piqp.h").is_file():
                    return Library(include, library.resolve())
    raise MissingPIQP(
        "quadratic programs need PIQP's C library, which is not here: 'python -m neml2.native.piqp' builds it (Debian: "
        "after apt-get install libeigen3-dev cmake), or set PIQP_DIR to the folder it was installed to"
    )


def _prefixes() -> Iterator[Path]:
    if chosen := os.environ.get("PIQP_DIR"):
        yield Path(chosen)
    yield Path(sys.prefix)
    yield _own()
    yield Path("/usr/local")
    yield Path("/usr")


def _own() -> Path:
    from platformdirs import user_data_dir

    return Path(user_data_dir("neml2", appauthor=False)) / "piqp"


def build(prefix: Path) -> Library:
    """Fetch the sources, build the C library and install it to `prefix`. Raises RuntimeError with what went wrong."""
    with tempfile.TemporaryDirectory(prefix="neml2-piqp-") as name:
        folder = Path(name)
        wanted = ["--no-deps", "--no-binary", "piqp", f"piqp=={VERSION}", "-d", name]
        _run([sys.executable, "-m", "pip", "download", "-q", *wanted], "the sources cannot be fetched")
        with tarfile.open(next(folder.glob("piqp-*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        source = next(path for path in folder.glob("piqp-*") if path.is_dir())
        off = ["TESTS", "EXAMPLES", "BENCHMARKS", "WITH_TEMPLATE_INSTANTIATION"]
        options = ["-DCMAKE_BUILD_TYPE=Release", *(f"-DBUILD_{option}=OFF" for option in off), "-DBUILD_C_INTERFACE=ON"]
        places = [f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DCMAKE_INSTALL_LIBDIR=lib"]
        _run(["cmake", "-S", str(source), "-B", f"{name}/build", *options, *places], "cmake finds something missing")
        _run(["cmake", "--build", f"{name}/build"], "the build fails")
        _run(["cmake", "--install", f"{name}/build"], f"{prefix} cannot be installed to")
    return find()


def _run(command: list[str], failure: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except OSError as error:
        raise RuntimeError(f"{failure}: {command[0]}: {error.strerror}; install {command[0]}") from None
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        told = next((line for line in lines if "rror" in line), lines[-1] if lines else "no message")
        advice = "; install Eigen 3 (Debian: libeigen3-dev)" if any("Eigen" in line for line in lines) else ""
        raise RuntimeError(f"{failure}: {told.strip()}{advice}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m neml2.native.piqp", description="Build PIQP's C library.")
    inside = sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK)
    parser.add_argument(
        "--prefix", type=Path, default=Path(sys.prefix) if inside else _own(), help="where to install it"
    )
    prefix = parser.parse_args().prefix.absolute()
    try:
        there = find()
    except MissingPIQP:
        try:
            there = build(prefix)
        except (RuntimeError, MissingPIQP) as error:
            print(f"PIQP: {error}", file=sys.stderr)
            return 1
    print(there.library)
    return 0


if __name__ == "__main__":
    sys.exit(main())

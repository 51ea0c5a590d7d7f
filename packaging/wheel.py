# SPDX-License-Identifier: MIT
"""A wheel and a source distribution in `dist/`, and the wheel tried in a clean environment of another folder.

    python packaging/wheel.py [--out dist] [--try WHEEL]

The wheel holds the C++ library with headers, CMake and pkg-config files, the extension module and the commands. Torch
is not in it: its libraries are found beside the installed package, and an installed torch other than the one that the
wheel was built for is refused. So the wheel is built with the torch of this interpreter (no build isolation).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TORCH = ("libtorch.so", "libtorch_cpu.so", "libtorch_cuda.so", "libtorch_python.so", "libc10.so", "libc10_cuda.so")
"""Libraries that come with torch."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build a wheel and a source distribution, and try the wheel.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--try", dest="wheel", type=Path, metavar="WHEEL", help="only try this one")
    options = parser.parse_args()
    wheel = options.wheel or built(options.out)
    with tempfile.TemporaryDirectory() as name:
        tried(wheel.resolve(), Path(name))
    print(f"wheel: {wheel}")
    return 0


def run(*command: object, **options: object) -> str:
    """What a command prints. Ends with its output where it fails."""
    words = [str(c) for c in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)  # type: ignore
    if done.returncode:
        sys.exit(f"{done.stdout}\nerror: {' '.join(words[:6])} ended with {done.returncode}")
    return done.stdout


def built(out: Path) -> Path:
    """The wheel, made from the source distribution, so that this is known to be whole."""
    folder = ROOT / "build" / "packaging"
    shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    print("source distribution", flush=True)
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", folder, ROOT)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder / "source")
    (source,) = (folder / "source").iterdir()
    print("wheel", flush=True)
    settings = [f"--config-settings=build-dir={folder / 'build'}", "--config-settings=cmake.define.NEML2_MPI=OFF"]
    wheels = ["-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", folder, *settings, source]
    run(sys.executable, *wheels)
    (plain,) = folder.glob("*.whl")
    excluded = [word for library in TORCH for word in ("--exclude", library)]
    run(sys.executable, "-m", "auditwheel", "repair", *excluded, "-w", folder / "repaired", plain)
    (repaired,) = (folder / "repaired").glob("*.whl")
    shutil.copy(archive, out)
    return Path(shutil.copy(repaired, out))


def tried(wheel: Path, folder: Path) -> None:
    """Installs the wheel into an environment of its own and does there what the README says."""
    import torch

    print("trying it in an environment of its own", flush=True)
    home = folder / "another"
    venv.create(home / "venv", with_pip=True)
    python = home / "venv" / "bin" / "python"
    path = f"{python.parent}:{os.environ['PATH']}"
    clean = {"HOME": str(home), "PATH": path, "NEML2_CACHE_DIR": str(home / "cache")}
    where = {"cwd": home, "env": clean}
    run(python, "-m", "pip", "install", "-q", f"torch=={torch.__version__.partition('+')[0]}", wheel, cwd=home)
    work = home / "elasticity"
    shutil.copytree(ROOT / "examples" / "elasticity", work)
    print(run("make", "-C", work, "demo", f"PYTHON={python}", f"WORK={work / 'out'}", env=clean))
    for command in ("compile", "run", "inspect", "syntax", "cache"):
        run(python.parent / f"neml2-{command}", "--help", **where)
    prefix = run(python, "-c", "import neml2; print(neml2.cmake_prefix_path)", **where).strip()
    flags = run(
        "pkg-config", "--cflags", "--libs", "neml2", env={**clean, "PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
    )
    assert "-lneml2" in flags, flags
    info = Path(prefix) / "_build_info.py"
    info.write_text(info.read_text().replace(torch.__version__, "2.0.0"))
    other = subprocess.run([python, "-c", "import neml2.aoti"], capture_output=True, text=True, **where)  # type: ignore
    last = other.stderr.strip().splitlines()[-1]
    assert other.returncode and "was built against torch 2.0.0" in last, other.stderr
    print(f"beside another torch: {last}")


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""Facts of an installation: its version, and where its headers and its compiled library lie."""

from __future__ import annotations

from pathlib import Path


def version() -> str:
    """The version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("neml2")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+source"


def cmake_prefix() -> str:
    """The folder whose `lib/cmake/neml2` CMake's find_package looks for; that of the compiled library."""
    from importlib.util import find_spec

    spec = find_spec("neml2._neml2")
    if spec is None or spec.origin is None:
        raise ImportError("the compiled library of neml2 is not installed; run pip install in the source tree")
    return str(Path(spec.origin).parent)


def header_folder() -> Path:
    """The folder that holds `neml2/native/Kernel.h`: of the installed package, or of the source tree. Raises
    FileNotFoundError."""
    package = Path(__file__).parent
    for folder in (package / "include", package.parents[1] / "include"):
        if (folder / "neml2" / "native" / "Kernel.h").is_file():
            return folder
    raise FileNotFoundError(f"the headers of neml2 are missing: expected {package / 'include'}")

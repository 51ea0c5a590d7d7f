# SPDX-License-Identifier: MIT
"""Constitutive models of materials, written in PyTorch, compiled ahead of time, called from C++ and Python.

Importing this package loads neither torch nor the compiled library; its attributes do so when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import aoti as aoti
    from . import native as native
    from . import types as types
    from .hit.input_file import load_input as load_input
    from .hit.input_file import load_model as load_model
    from .hit.registry import load_extension as load_extension

    __version__: str
    cmake_prefix_path: str

__all__ = ["__version__", "aoti", "cmake_prefix_path", "load_extension", "load_input", "load_model", "native", "types"]

_FUNCTIONS = {
    "load_input": "hit.input_file",
    "load_model": "hit.input_file",
    "load_extension": "hit.registry",
}
_SUBPACKAGES = {"aoti", "errors", "hit", "models", "native", "types"}


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        value = getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    elif name in _SUBPACKAGES:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name == "__version__":
        value = _version()
    elif name == "cmake_prefix_path":
        value = _prefix()
    else:
        raise AttributeError(f"module 'neml2' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("neml2")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+source"


def _prefix() -> str:
    """The folder whose `lib/cmake/neml2` CMake's find_package looks for; that of the compiled library."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("neml2._neml2")
    if spec is None or spec.origin is None:
        raise ImportError("the compiled library of neml2 is not installed; run pip install in the source tree")
    return str(Path(spec.origin).parent)

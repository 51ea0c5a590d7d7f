# SPDX-License-Identifier: MIT
"""Constitutive models of materials, written in PyTorch, compiled ahead of time, called from C++ and Python.

Importing this package loads neither torch nor the compiled library; its attributes do so when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import aoti as aoti
    from . import types as types
    from .hit.input_file import load_input as load_input
    from .hit.input_file import load_model as load_model
    from .hit.registry import load_extension as load_extension

    __version__: str

__all__ = ["__version__", "aoti", "load_extension", "load_input", "load_model", "types"]

_FUNCTIONS = {
    "load_input": "hit.input_file",
    "load_model": "hit.input_file",
    "load_extension": "hit.registry",
}
_SUBPACKAGES = {"aoti", "errors", "hit", "models", "types"}


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        value = getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    elif name in _SUBPACKAGES:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name == "__version__":
        value = _version()
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

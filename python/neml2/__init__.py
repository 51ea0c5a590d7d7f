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
_FACTS = {"__version__": "version", "cmake_prefix_path": "cmake_prefix"}
_SUBPACKAGES = {"aoti", "errors", "hit", "models", "native", "types"}


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        value = getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    elif name in _SUBPACKAGES:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name in _FACTS:
        value = getattr(importlib.import_module(f"{__name__}.installation"), _FACTS[name])()
    else:
        raise AttributeError(f"module 'neml2' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

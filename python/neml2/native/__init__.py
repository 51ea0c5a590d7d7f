# SPDX-License-Identifier: MIT
"""Native code from torch functions of fixed small shapes: called from Python, or written out as a C++ module.

torch function -> program                 function.py, newton.py, sqp.py, model.py
program -> library, called at once (JIT)  build.py, arrays.py
programs -> .hpp and .cpp (AOT)           module.py, sqp_text.py
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .function import NumericalFunction as NumericalFunction
    from .model import jit as jit
    from .module import generate_module as generate_module
    from .newton import Newton as Newton
    from .sqp import SQP as SQP

__all__ = ["SQP", "Newton", "NumericalFunction", "generate_module", "jit"]

_HOMES = {
    "SQP": "sqp",
    "NumericalFunction": "function",
    "Newton": "newton",
    "jit": "model",
    "generate_module": "module",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'neml2.native' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

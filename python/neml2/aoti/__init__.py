# SPDX-License-Identifier: MIT
"""Compiled models: load a package written by ``neml2-compile`` and evaluate it, without its source model.

``Model(metadata)`` loads one package; ``load_model(stub, name)`` finds it through an input file. Errors are
``ConvergenceError`` (recoverable: cut the time step), ``FatalError`` and ``AggregateError``, all of them
``neml2.aoti.Exception``.
"""

from __future__ import annotations

from os import PathLike

from neml2._torch_check import check_torch

check_torch()

from neml2._neml2 import (  # noqa: E402
    AggregateError,
    ConvergenceError,
    Exception,
    FatalError,
    History,
    HistoryPair,
    Model,
    Parameters,
)

__all__ = [
    "AggregateError",
    "ConvergenceError",
    "Exception",
    "FatalError",
    "History",
    "HistoryPair",
    "Model",
    "Parameters",
    "load_model",
]


def load_model(stub: str | PathLike[str], name: str) -> Model:
    """Load the compiled model that block ``[Models]/<name>`` (type ``AOTIModel``) of an input file refers to."""
    return Model.from_stub(stub, name)

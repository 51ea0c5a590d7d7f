# SPDX-License-Identifier: MIT
"""Compiled models: load a package written by ``neml2-compile`` and evaluate it, without its source model.

``Model(metadata)`` loads one package; ``load_model(stub, name)`` finds it through an input file, and spreads its
batches over devices if it is given a scheduler. Errors are ``ConvergenceError`` (recoverable: cut the time step),
``FatalError`` and ``AggregateError``, all of them ``neml2.aoti.Exception``.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from neml2._torch_check import check_torch

check_torch()

from neml2._neml2 import (  # noqa: E402
    AggregateError,
    AutoScheduler,
    ConvergenceError,
    Exception,
    FatalError,
    History,
    HistoryPair,
    Model,
    MPISimpleScheduler,
    Parameters,
    Scheduler,
    SimpleScheduler,
    StaticHybridScheduler,
)

__all__ = [
    "AggregateError",
    "AutoScheduler",
    "ConvergenceError",
    "Exception",
    "FatalError",
    "History",
    "HistoryPair",
    "MPISimpleScheduler",
    "Model",
    "Parameters",
    "Scheduler",
    "SimpleScheduler",
    "StaticHybridScheduler",
    "load_model",
]


def load_model(
    stub: str | PathLike[str],
    name: str,
    scheduler: Scheduler | None = None,
    device: str = "cpu",
    solvers: Mapping[str, Mapping[str, str]] | None = None,
) -> Model:
    """Load the compiled model that block ``[Models]/<name>`` (type ``AOTIModel``) of an input file refers to.

    With a scheduler, which names the devices, batches are spread over them: the operations are the same, results are
    where the inputs are, and failures of several parts of a batch are an ``AggregateError``. Without, everything runs
    on `device`. `solvers` replace options of the package's solvers and of the file, by solver and name.
    """
    options = {block: dict(given) for block, given in (solvers or {}).items()}
    return Model.from_stub(stub, name, device, scheduler, options)

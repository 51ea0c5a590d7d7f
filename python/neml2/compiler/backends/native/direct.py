# SPDX-License-Identifier: MIT
"""Short calls: contiguous arguments with one batch axis or none go to the kernel through tables made once a thread."""

from __future__ import annotations

import ctypes as c
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from neml2.compiler.backends.native import host
from neml2.compiler.backends.native.host import Array, Library, Report

_TRUSTED = 1  # NEML2_NATIVE_TRUSTED: results are fresh arrays, which overlap nothing
_USUAL = 0x0001 | 0x0100  # NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_ALIGNED


class Direct:
    """The forward function of a library for the usual arguments; the results of Library.forward."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._here = threading.local()
        self._inputs = [(s.name, len(s.shape), s.size) for s in library.inputs]
        self._outputs = [(s.name, s.shape, s.size) for s in library.outputs]
        self._solves = bool(library.solvers)

    def __call__(self, values: Mapping[str, Array]) -> tuple[dict[str, Array], Report] | None:
        """None where this is no usual call: Library.forward takes those."""
        batch: tuple[int, ...] = ()
        given = [(values[name], axes, size) for name, axes, size in self._inputs]
        for value, axes, _ in given:
            if value.flags.num & _USUAL != _USUAL or value.ndim - axes > 1:
                return None
            if value.ndim > axes:
                if batch and batch[0] != value.shape[0]:
                    return None
                batch = value.shape[:1]
        points = batch[0] if batch else 1
        if not points:  # NumPy calls what has no elements aligned, wherever it lies
            return None
        call, inputs, outputs = self._tables()
        call.points = call.end = points
        for entry, (value, axes, size) in zip(inputs, given, strict=True):
            entry.data = value.ctypes.data
            entry.stride = size if value.ndim > axes else 0
        dtype = self.library.dtype
        results = {name: np.empty(batch + shape, dtype) for name, shape, _ in self._outputs}
        for entry, result in zip(outputs, results.values(), strict=True):
            entry.data = result.ctypes.data
        report = Report(np.zeros(points, np.int32), np.zeros(points, np.int32), np.zeros(points))
        if self._solves:
            call.status, call.iterations = report.status.ctypes.data, report.iterations.ctypes.data
            call.residual = report.residual.ctypes.data
        if self.library._model.forward(c.byref(call)) == host.BAD_CALL:
            raise host.CallError(f"{self.library.name}: {call.message.decode()}")
        return results, report

    def _tables(self) -> tuple[Any, Any, Any]:
        made = getattr(self._here, "made", None)
        if made is None:
            inputs = (host._Array * len(self._inputs))()
            outputs = (host._Array * len(self._outputs))()
            for entry, (_, _, size) in zip(inputs, self._inputs, strict=True):
                entry.size = size
            for entry, (_, _, size) in zip(outputs, self._outputs, strict=True):
                entry.size = entry.stride = size
            call = host._Call(bytes=c.sizeof(host._Call), flags=_TRUSTED)
            call.inputs, call.n_inputs = inputs, len(inputs)
            call.outputs, call.n_outputs = outputs, len(outputs)
            made = self._here.made = (call, inputs, outputs)
        return made

# SPDX-License-Identifier: MIT
"""Calling a kernel through its C boundary, with NumPy arrays: neml2/native/Kernel.h without C."""

from __future__ import annotations

import ctypes as c
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ABI = 2
OK, NOT_CONVERGED, BAD_CALL = 0, 1, -1
Array = NDArray[Any]


class _Array(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_int64), ("stride", c.c_int64), ("batch_strides", c.c_void_p),
                ("component_offsets", c.c_void_p)]  # fmt: skip


class Solver(c.Structure):
    """neml2_native_solver."""

    _fields_ = [("abs_tol", c.c_double), ("rel_tol", c.c_double), ("max_its", c.c_int32), ("line_search", c.c_int32),
                ("max_line_search", c.c_int32), ("max_substepping", c.c_int32),
                ("final_update", c.c_int32), ("reserved", c.c_int32), ("cutback", c.c_double),
                ("criterion", c.c_double), ("update_tol", c.c_double)]  # fmt: skip


class _Call(c.Structure):
    _fields_ = [("bytes", c.c_int64), ("points", c.c_int64), ("begin", c.c_int64), ("end", c.c_int64),
                ("flags", c.c_int32), ("batch_axes", c.c_int32), ("batch_sizes", c.c_void_p),
                ("inputs", c.POINTER(_Array)), ("outputs", c.POINTER(_Array)), ("tangents", c.POINTER(_Array)),
                ("derivatives", c.POINTER(_Array)), ("n_inputs", c.c_int32), ("n_outputs", c.c_int32),
                ("n_tangents", c.c_int32), ("n_derivatives", c.c_int32), ("solvers", c.POINTER(Solver)),
                ("n_solvers", c.c_int32), ("reserved", c.c_int32), ("status", c.c_void_p), ("iterations", c.c_void_p),
                ("residual", c.c_void_p), ("failed", c.c_int64), ("iterated", c.c_uint64),
                ("message", c.c_char * 256)]  # fmt: skip


class _Argument(c.Structure):
    _fields_ = [("name", c.c_char_p), ("type", c.c_char_p), ("value", c.POINTER(c.c_double)), ("size", c.c_int64),
                ("axes", c.c_int32), ("reserved", c.c_int32), ("shape", c.POINTER(c.c_int64))]  # fmt: skip


class _Pair(c.Structure):
    _fields_ = [("output", c.c_int32), ("input", c.c_int32)]


_Function = c.CFUNCTYPE(c.c_int, c.POINTER(_Call))


class _Model(c.Structure):
    _fields_ = [("abi", c.c_int32), ("scalar_bytes", c.c_int32), ("lanes", c.c_int32), ("wide_from", c.c_int32),
                ("name", c.c_char_p), ("isa", c.c_char_p), ("n_inputs", c.c_int32), ("n_parameters", c.c_int32),
                ("n_outputs", c.c_int32), ("n_pairs", c.c_int32), ("n_solvers", c.c_int32), ("reserved", c.c_int32),
                ("inputs", c.POINTER(_Argument)), ("outputs", c.POINTER(_Argument)), ("pairs", c.POINTER(_Pair)),
                ("solvers", c.POINTER(Solver)), ("forward", _Function), ("jacobian", _Function),
                ("jvp", _Function), ("vjp", _Function)]  # fmt: skip


@dataclass(frozen=True)
class Slot:
    """An input, parameter or output: its name, type and the shape of one point."""

    name: str
    type: str
    shape: tuple[int, ...]
    has_default: bool

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass
class Report:
    """By point: NEML2_NATIVE_CONVERGED, ...; Newton updates made; norm of the last residual."""

    status: Array
    iterations: Array
    residual: Array

    @property
    def ok(self) -> bool:
        return not self.status.any()


class CallError(ValueError):
    """A call that the kernel refused; the message is the kernel's."""


class Library:
    """A loaded kernel. Arrays are (*batch, *shape of one point); batch axes broadcast."""

    def __init__(self, path: Path | str) -> None:
        self._library = c.CDLL(str(path))
        entry = self._library.neml2_native_model_v1
        entry.restype = c.POINTER(_Model)
        found = entry(c.c_int32(ABI))
        if not found:
            raise CallError(f"{path} was compiled for another version of the boundary than {ABI}")
        self._model = m = found.contents
        self.name, self.isa, self.lanes = m.name.decode(), m.isa.decode(), m.lanes
        self.wide_from = m.wide_from
        self.dtype = np.dtype(np.float64 if m.scalar_bytes == 8 else np.float32)
        self.inputs = [_slot(m.inputs[k]) for k in range(m.n_inputs)]
        self.n_parameters = m.n_parameters
        self.outputs = [_slot(m.outputs[k]) for k in range(m.n_outputs)]
        self.pairs = [(m.pairs[k].output, m.pairs[k].input) for k in range(m.n_pairs)]
        self.solvers = [m.solvers[k] for k in range(m.n_solvers)]

    def forward(self, values: Mapping[str, Any], **options: Any) -> tuple[dict[str, Array], Report]:
        """Outputs by name."""
        outputs, _, report = self._run(self._model.forward, values, {}, [], **options)
        return outputs, report

    def jacobian(
        self, values: Mapping[str, Any], **options: Any
    ) -> tuple[dict[str, Array], dict[tuple[str, str], Array], Report]:
        """Outputs, and blocks (*batch, *output, *input) by (output, input)."""
        shapes = [self.outputs[o].shape + self.inputs[i].shape for o, i in self.pairs]
        outputs, blocks, report = self._run(self._model.jacobian, values, {}, shapes, **options)
        names = [(self.outputs[o].name, self.inputs[i].name) for o, i in self.pairs]
        return outputs, dict(zip(names, blocks, strict=True)), report

    def jvp(
        self, values: Mapping[str, Any], tangents: Mapping[str, Any], **options: Any
    ) -> tuple[dict[str, Array], dict[str, Array], Report]:
        """Outputs, and their derivatives along `tangents` (by input; what is missing is zero)."""
        shapes = [o.shape for o in self.outputs]
        outputs, found, report = self._run(self._model.jvp, values, tangents, shapes, **options)
        return outputs, dict(zip((o.name for o in self.outputs), found, strict=True)), report

    def vjp(
        self, values: Mapping[str, Any], cotangents: Mapping[str, Any], **options: Any
    ) -> tuple[dict[str, Array], dict[str, Array], Report]:
        """Outputs, and what the inputs and parameters get from `cotangents` (by output; what is missing is zero), in
        the shape that each was given in: summed over the points that share it."""
        outputs, found, report = self._run(self._model.vjp, values, cotangents, None, **options)
        return outputs, dict(zip((i.name for i in self.inputs), found, strict=True)), report

    def _run(
        self,
        function: Any,
        values: Mapping[str, Any],
        directions: Mapping[str, Any],
        shapes: list[tuple[int, ...]] | None,
        solvers: list[Solver] | None = None,
        span: tuple[int, int] | None = None,
    ) -> tuple[dict[str, Array], list[Array], Report]:
        """`shapes`: of the derivatives at a point; None: those of the inputs, and `directions` are of the outputs."""
        given = [self._array(values.get(s.name), s) for s in self.inputs]
        along = self.outputs if shapes is None else self.inputs
        moving = [self._array(directions.get(s.name), s) for s in along]
        present = [(a, s) for a, s in zip(given + moving, [*self.inputs, *along], strict=True) if a is not None]
        batch = np.broadcast_shapes(*(a.shape[: a.ndim - len(s.shape)] for a, s in present))
        points = prod(batch)
        keep: list[Any] = []
        call = _Call(bytes=c.sizeof(_Call), points=points, end=points)
        if span is not None:
            call.begin, call.end = span
        if len(batch) > 1:
            call.batch_axes, call.batch_sizes = len(batch), _int64(batch, keep)
        call.inputs, call.n_inputs = self._arrays(given, self.inputs, batch, keep), len(given)
        call.tangents, call.n_tangents = self._arrays(moving, along, batch, keep), len(moving)
        outputs = [np.zeros(batch + s.shape, self.dtype) for s in self.outputs]
        call.outputs, call.n_outputs = self._arrays(outputs, self.outputs, batch, keep), len(outputs)
        if shapes is None:
            slots, owned = (
                self.inputs,
                [s.shape if a is None else a.shape for a, s in zip(given, self.inputs, strict=True)],
            )
            blocks = [self._summed(shape, slot, batch) for shape, slot in zip(owned, slots, strict=True)]
        else:
            slots = [Slot("", "", shape, False) for shape in shapes]
            blocks = owned = [np.zeros(batch + shape, self.dtype) for shape in shapes]
        call.derivatives, call.n_derivatives = self._arrays(blocks, slots, batch, keep), len(blocks)
        if solvers is not None:
            keep.append((Solver * len(solvers))(*solvers))
            call.solvers, call.n_solvers = keep[-1], len(solvers)
        report = Report(np.zeros(points, np.int32), np.zeros(points, np.int32), np.zeros(points))
        call.status, call.iterations = report.status.ctypes.data, report.iterations.ctypes.data
        call.residual = report.residual.ctypes.data
        if function(c.byref(call)) == BAD_CALL:
            raise CallError(f"{self.name}: {call.message.decode()}")
        if shapes is None:
            blocks = [_sum_to(block, shape) for block, shape in zip(blocks, owned, strict=True)]
        return {s.name: a for s, a in zip(self.outputs, outputs, strict=True)}, blocks, report

    def _summed(self, shape: tuple[int, ...], slot: Slot, batch: tuple[int, ...]) -> Array:
        """Where the kernel puts what an input of this shape gets: itself where it has all axes of the batch or none,
        else an array for each point."""
        own = shape[: len(shape) - len(slot.shape)]
        return np.zeros(shape if prod(own) == 1 else batch + slot.shape, self.dtype)

    def _array(self, value: Any, slot: Slot) -> Array | None:
        if value is None:
            return None
        array = np.asarray(value, self.dtype)
        if array.shape[array.ndim - len(slot.shape) :] != slot.shape:
            raise CallError(f"'{slot.name}' has shape {array.shape}, expected (*batch, {slot.shape})")
        if not any(step % array.itemsize for step in (array.ctypes.data, *array.strides)):
            return array
        return array.copy()  # strides of the kernel count elements; a field of records need not lie at one

    def _arrays(self, arrays: list[Array | None], slots: list[Slot], batch: tuple[int, ...], keep: list[Any]) -> Any:
        table = (_Array * max(len(arrays), 1))()
        for entry, array, slot in zip(table, arrays, slots, strict=False):
            if array is None:
                continue
            full = np.broadcast_to(array, batch + slot.shape)
            strides = [s // self.dtype.itemsize for s in full.strides]
            entry.data, entry.size = full.ctypes.data, slot.size
            entry.stride = strides[0] if len(batch) == 1 else 0
            if len(batch) > 1:
                entry.batch_strides = _int64(strides[: len(batch)], keep)
            offsets = np.zeros(1, np.int64)
            for n, stride in zip(slot.shape, strides[len(batch) :], strict=True):
                offsets = (offsets[:, None] + np.arange(n) * stride).reshape(-1)
            if (offsets != np.arange(slot.size)).any():
                entry.component_offsets = _int64(offsets, keep)
            keep.append(full)
        keep.append(table)
        return table


def _sum_to(array: Array, shape: tuple[int, ...]) -> Array:
    """`array` summed over the axes along which `shape` has one entry, or none."""
    lead = array.ndim - len(shape)
    same = tuple(k for k, n in enumerate(shape, lead) if n == 1 and array.shape[k] != 1)
    return array.sum(axis=(*range(lead), *same)).reshape(shape)


def _int64(values: Any, keep: list[Any]) -> int:
    keep.append(np.ascontiguousarray(values, np.int64))
    return int(keep[-1].ctypes.data)


def _slot(a: _Argument) -> Slot:
    return Slot(a.name.decode(), a.type.decode(), tuple(a.shape[k] for k in range(a.axes)), bool(a.value))

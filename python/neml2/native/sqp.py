# SPDX-License-Identifier: MIT
"""Sequential quadratic programming over native functions, its loop inside the generated code."""

from __future__ import annotations

import ctypes as c
import math
import threading
import weakref
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neml2.compiler.backends.native.host import Report
from neml2.compiler.graph.assemble import assemble
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.program import Argument, Assign, Program
from neml2.native import arrays
from neml2.native.arrays import Array
from neml2.native.function import NumericalFunction, _choose

if TYPE_CHECKING:
    import torch

    from neml2.compiler.backends.native.text.cpp import Body

REASONS = {
    1: "all iterations used",
    2: "not finite where it began",
    4: "no step is better or satisfies the constraints",
}
"""By status, as Status of a module counts."""


class SQP(NumericalFunction):
    """The unknowns that minimize an objective, or the sum of the squares of residuals, within bounds and constraints,
    each point on its own.

    residuals, objective: one of them, a function; an objective has one component.
    unknown: name of the input to find, or several.
    constraints: a function of some of the same inputs, whose components, in the order of its outputs, lie between `low`
        and `high`: numbers, or arrays of as many; equal ones make an equation.
    lower, upper: of the unknowns: numbers, or arrays of as many as they have components, one after the other.

    Takes the inputs of all the functions, those of the residuals or objective first, in which the unknowns hold the
    first guess; returns the unknowns. Steps are quadratic programs, solved by PIQP's C library (see neml2.native.piqp):
    of the linearized residuals (Gauss-Newton), or of the exact Hessian of the Lagrangian, made positive; damped by
    what they gain. A point has converged where its step is smaller than `tolerance`, relative to the unknowns or to 1,
    or would lower the sum of squares by less than the square of this part; the step is made all the same. It makes at
    most `max_its` others.

    The workspace, PIQP's included, is allocated at the first call and freed with the function; calls from several
    threads wait for one another. Double precision only.

    Raises ConvergenceError, with `.points`, naming the points that find no minimum; `with_report` does not. MissingPIQP
    says how PIQP's library is made.
    """

    minimizes = True

    def __init__(
        self,
        residuals: NumericalFunction | None = None,
        unknown: str | Sequence[str] = "x",
        *,
        objective: NumericalFunction | None = None,
        constraints: NumericalFunction | None = None,
        lower: Any = -math.inf,
        upper: Any = math.inf,
        low: Any = 0.0,
        high: Any = 0.0,
        name: str | None = None,
        tolerance: float = 1e-7,
        max_its: int = 100,
    ) -> None:
        if (residuals is None) == (objective is None):
            raise TypeError("expected residuals or an objective, one of them")
        base = residuals if residuals is not None else objective
        for function in filter(None, (base, constraints)):
            if not isinstance(function, NumericalFunction):
                raise TypeError(f"expected a NumericalFunction, not {type(function).__name__}")
        assert base is not None
        self.base, self.constraints, self.squares = base, constraints, residuals is not None
        self.evaluation = _Evaluation(self)
        names = [unknown] if isinstance(unknown, str) else list(unknown)
        unknowns = [_choose(base.name, n, list(base.inputs), "input") for n in names]
        self._describe(name or f"minimize_{base.name}", dict(self.evaluation.inputs), unknowns, base.dtype)
        self.fn, self._types = base.fn, self.evaluation._types
        if self.dtype != "float64":
            raise ValueError(f"{self.name}: dtype {self.dtype} is not possible; quadratic programs take float64")
        if base._fixed or (constraints is not None and constraints._fixed):
            raise ValueError(f"{self.name}: parameters with batch axes are not possible here")
        if not (tolerance > 0 and max_its >= 1):
            raise ValueError(f"{self.name}: tolerance {tolerance}, max_its {max_its}; expected positive numbers")
        self.tolerance, self.max_its = float(tolerance), int(max_its)
        self._bounds = lower, upper
        self._limits = low, high
        self._handle: _Handle | None = None

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        return {n: self.inputs[n] for n in self.output_names}

    @property
    def unknowns(self) -> int:
        """How many components are looked for."""
        return sum(map(prod, self.outputs.values()))

    def limits(self) -> tuple[Array, Array, Array, Array]:
        """lower, upper, low, high, an array each. Raises ValueError."""
        count = sum(a.size for a in self.evaluation.program.outputs if a.name in self.evaluation.constraint_names)
        found = []
        for label, given, size in (
            ("lower", self._bounds[0], self.unknowns),
            ("upper", self._bounds[1], self.unknowns),
            ("low", self._limits[0], count),
            ("high", self._limits[1], count),
        ):
            value = np.asarray(given, float).reshape(-1)
            if value.size not in (1, size) or np.isnan(value).any():
                raise ValueError(f"{self.name}: {label} has {value.size} numbers; expected one, or {size}")
            found.append(np.broadcast_to(value, (size,)))
        for names, a, b in (("lower, upper", *found[:2]), ("low, high", *found[2:])):
            if (a > b).any():
                raise ValueError(
                    f"{self.name}: {names} leave nothing between them at component {int(np.argmax(a > b))}"
                )
        return found[0], found[1], found[2], found[3]

    def _assemble(self) -> Program:
        """The interface; what is computed is in `evaluation`."""
        base = self.evaluation.program
        given = [a for a in base.inputs if a.name != _MULTIPLIERS]
        results = [a for a in given if a.name in self.output_names]
        results.sort(key=lambda a: self.output_names.index(a.name))
        return assemble(self.name, base.graph, given, 0, results, [], [], base.state_size)

    def source(self) -> str:
        """The C++ source that is compiled: the module, and functions of C around it."""
        from neml2.native import module, sqp_text

        header, text = module.texts("jit", [self])
        return sqp_text.shared(self, header, text)

    def body(self) -> Body:
        """The statements that evaluate an iterate."""
        from neml2.compiler.backends.native.text.cpp import body

        return body(self.evaluation.differentiated(), self.scalar)

    def _differentiable(self, wrt: str | None) -> str:
        raise NotImplementedError(f"{self.name}: derivatives of a minimum are not available")

    # ---- calling -----------------------------------------------------------------------------------------------------

    def compile(self) -> Any:
        """Compile now, or load what is kept, and allocate the workspace; a call does it when needed."""
        with self._lock:
            if self._handle is None:
                self._handle = _Handle(_library(self))
                weakref.finalize(self, self._handle.free)
            return self._handle.library

    def _run(self, values: dict[str, Array]) -> tuple[list[Array], Report]:
        self.compile()
        assert self._handle is not None
        arrays.check_batch(self.name, values, self.inputs)
        batch = np.broadcast_shapes(*(v.shape[: v.ndim - len(self.inputs[n])] for n, v in values.items()))
        points = prod(batch)
        rows = [
            np.ascontiguousarray(np.broadcast_to(v, (*batch, *self.inputs[n]))).reshape(points, prod(self.inputs[n]))
            for n, v in values.items()
        ]
        results = [np.empty((*batch, *shape)) for shape in self.outputs.values()]
        report = Report(np.zeros(points, np.int32), np.zeros(points, np.int32), np.zeros(points))
        with self._lock:
            self._handle.run(points, rows, results, report)
        return results, report

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values, report = self.with_report(*args, **kwargs)
        if not report.ok:
            raise _not_found(self.name, report)
        return values


_MULTIPLIERS = "multipliers_"


class _Evaluation(NumericalFunction):
    """Values and derivatives by the unknowns at an iterate: outputs `value`, `slope`, of an objective `curvature`, and
    `constraint`, `normal` where there are constraints."""

    def __init__(self, sqp: SQP) -> None:
        self.sqp, base, constraints = sqp, sqp.base, sqp.constraints
        self.fn = base.fn
        self._parts = [base] if constraints is None else [base, constraints]
        inputs: dict[str, tuple[int, ...]] = {}
        self._types = {}
        for part in self._parts:
            for n, shape in part.inputs.items():
                if inputs.setdefault(n, shape) != shape:
                    raise ValueError(f"'{n}' has shape {shape} in {part.name} and {inputs[n]} in {base.name}")
            self._types.update(part._types)
        prefixed = [f"{k}_{n}" for k, part in enumerate(self._parts) for n in part.output_names]
        self.constraint_names = {n for n in prefixed if n.startswith("1_")}
        self._describe(f"{base.name}_evaluation", inputs, prefixed, base.dtype)

    def _point(self, *data: torch.Tensor) -> list[torch.Tensor]:
        given = dict(zip(self.inputs, data, strict=True))
        return [v for part in self._parts for v in part._point(*(given[n] for n in part.inputs))]

    def differentiated(self) -> Program:
        """The program that a step needs."""
        base, graph, sqp = self.program, self.program.graph, self.sqp
        for part in self._parts:
            steps = part.program.forward.steps
            if len(steps) != 1 or not isinstance(steps[0], Assign):
                raise ValueError(f"{sqp.name}: {part.name} is implicit itself; expected an explicit function")
        nodes = dict(base.forward.steps[0].stores)
        values = [nodes[k] for a in base.outputs if a.name not in self.constraint_names for k in a.components]
        held = [nodes[k] for a in base.outputs if a.name in self.constraint_names for k in a.components]
        if not sqp.squares and len(values) != 1:
            raise ValueError(f"{sqp.name}: the objective has {len(values)} components; expected one")
        chosen = {a.name: a for a in base.inputs}
        columns = [k for n in sqp.output_names for k in chosen[n].components]
        size = base.state_size
        inputs = list(base.inputs)
        results: list[tuple[str, list[int]]] = [("value", values)]
        slopes = jacobian(graph, values, columns)
        results.append(("slope", [n for row in slopes for n in row]))
        normals = jacobian(graph, held, columns) if held else []
        if not sqp.squares:
            inputs.append(Argument(_MULTIPLIERS, "Tensor", (max(len(held), 1),), size))
            size += inputs[-1].size
            gradient = list(slopes[0])
            for row, component in zip(normals, inputs[-1].components, strict=False):
                y = graph.input(component)
                gradient = [graph.add(g, graph.mul(y, n)) for g, n in zip(gradient, row, strict=True)]
            results.append(("curvature", [n for row in jacobian(graph, gradient, columns) for n in row]))
        if held:
            results += [("constraint", held), ("normal", [n for row in normals for n in row])]
        outputs, stores = [], []
        for name, found in results:
            outputs.append(Argument(name, "Tensor", (len(found),), size))
            stores += list(zip(outputs[-1].components, found, strict=True))
            size += len(found)
        return assemble(self.name, graph, inputs, 0, outputs, [], [Assign(stores)], size)


class _Handle:
    """A workspace of a loaded library."""

    def __init__(self, library: c.CDLL) -> None:
        self.library = library
        library.neml2_sqp_new.restype = c.c_void_p
        library.neml2_sqp_delete.argtypes = [c.c_void_p]
        self._workspace = library.neml2_sqp_new()
        if not self._workspace:
            raise MemoryError("no room for the workspace of an SQP")

    def run(self, points: int, inputs: list[Array], outputs: list[Array], report: Report) -> None:
        pointers = [(c.c_void_p * len(group))(*(a.ctypes.data for a in group)) for group in (inputs, outputs)]
        by_point = [c.c_void_p(a.ctypes.data) for a in (report.status, report.iterations, report.residual)]
        self.library.neml2_sqp_run(c.c_void_p(self._workspace), c.c_int64(points), *pointers, *by_point)

    def free(self) -> None:
        workspace, self._workspace = self._workspace, None
        if workspace:
            self.library.neml2_sqp_delete(workspace)


_BUILDING = threading.Lock()


def _library(sqp: SQP) -> c.CDLL:
    from neml2.compiler.backends.native import toolchain
    from neml2.compiler.backends.native.text.cpp import identifier
    from neml2.compiler.package import isa, kernel_cache
    from neml2.native import piqp

    there = piqp.find()
    text, level = sqp.source(), isa.best()
    parts = (*toolchain.made_from(text, level), str(there.library), there.library.stat().st_mtime_ns)
    name = f"{identifier(sqp.name)}_{kernel_cache.key(sqp.name, *map(str, parts))}"

    def build(path: Path, scratch: Path) -> None:
        source = scratch / "sqp.cpp"
        source.write_text(text)
        command = [*toolchain.command(level), f"-ffile-prefix-map={scratch}=.", "-shared", str(source), "-o", str(path)]
        toolchain.run([*command, *there.flags])

    inputs = ", ".join(sqp.inputs)
    with _BUILDING:
        return kernel_cache.load(
            name, build, c.CDLL, what=f"{sqp.name}({inputs}) -> {', '.join(sqp.output_names)}, SQP"
        )


def _not_found(name: str, report: Report) -> Exception:
    from neml2.failures import FailedPoint
    from neml2.solvers.convergence import ConvergenceError, describe

    points = [
        FailedPoint(int(p), int(report.iterations[p]), float(report.residual[p]), REASONS[int(report.status[p])])
        for p in np.flatnonzero(report.status)
    ]
    return ConvergenceError(f"{name}: {describe(points, len(report.status))}", points)

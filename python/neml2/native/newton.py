# SPDX-License-Identifier: MIT
"""Newton's method over a native function, its loop inside the generated code."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar

from neml2.compiler.graph.assemble import assemble
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.program import Argument, Assign, Program, Settings, Solve
from neml2.native.function import NumericalFunction, _choose

_Number = TypeVar("_Number", int, float)
_LINE_SEARCHES = {None: 0, "BACKTRACKING": 1, "STRONG_WOLFE": 2}


class Newton(NumericalFunction):
    """The unknowns at which a residual vanishes, each point on its own.

    residual: a function whose outputs, together, have as many components as the unknowns, their inputs.
    unknown: name of the input to solve for, or several.

    Takes the inputs of the residual, in which the unknowns hold the first guess; returns the unknowns. The options are
    those of the solvers of input files: converged where |r| < abs_tol or |r|/|r0| < rel_tol, r0 at the guess; at most
    max_its - 1 updates, and one more, with the factors at hand, where the relative test alone holds. linesearch_type is
    None, "BACKTRACKING" or "STRONG_WOLFE"; with a search, a step is divided by linesearch_cutback until
    linesearch_stopping_criteria holds. The LU exchanges rows where another entry of a column is more than ten times
    the diagonal one. A point fails where its guess, or anything else it is given, is NaN or infinite.

    Raises ConvergenceError, with `.points`, naming the points that do not converge; `with_report` does not.
    """

    def __init__(
        self,
        residual: NumericalFunction,
        unknown: str | Sequence[str] = "u",
        *,
        name: str | None = None,
        abs_tol: float = 1e-10,
        rel_tol: float = 1e-8,
        max_its: int = 25,
        linesearch_type: str | None = None,
        max_linesearch_iterations: int = 10,
        linesearch_cutback: float = 2.0,
        linesearch_stopping_criteria: float = 1e-3,
    ) -> None:
        if not isinstance(residual, NumericalFunction):
            raise TypeError(f"expected a NumericalFunction as residual, not {type(residual).__name__}")
        self.residual, self.fn = residual, residual.fn
        self._types = residual._types
        names = [unknown] if isinstance(unknown, str) else list(unknown)
        unknowns = [_choose(residual.name, n, list(residual.inputs), "input") for n in names]
        self._describe(name or f"solve_{residual.name}", dict(residual.inputs), unknowns, residual.dtype)
        self._fixed = residual._fixed
        self.settings = Settings(
            abs_tol=_checked(self.name, "abs_tol", abs_tol),
            rel_tol=_checked(self.name, "rel_tol", rel_tol),
            max_its=_checked(self.name, "max_its", max_its),
            line_search=_line_search(self.name, linesearch_type),
            max_line_search=_checked(self.name, "max_linesearch_iterations", max_linesearch_iterations),
            cutback=_checked(self.name, "linesearch_cutback", linesearch_cutback),
            criterion=_checked(self.name, "linesearch_stopping_criteria", linesearch_stopping_criteria),
        )

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        return {n: self.inputs[n] for n in self.output_names}

    def _differentiable(self, wrt: str | None) -> str:
        givens = [n for n in self.inputs if n not in self.output_names]
        return _choose(self.name, wrt, givens, "given")

    def _assemble(self) -> Program:
        with self.residual._lock:  # its graph grows
            base = self.residual.program
            rows = self._residual(base)
            chosen = {a.name: a for a in base.inputs}
            unknowns = [chosen[n] for n in self.output_names]
            components = [c for a in unknowns for c in a.components]
            size = sum(prod(shape) for shape in self.outputs.values())
            if len(rows) != size:
                raise ValueError(
                    f"{self.name}: the residual has {len(rows)} components; the unknowns "
                    f"{', '.join(self.output_names)} have {size}"
                )
            given = [c for a in base.inputs if a.name not in self.output_names for c in a.components]
            rates = jacobian(base.graph, rows, components)
            step = Solve(0, components, rows, rates, self.settings, given=given)
            results = [Argument(a.name, a.type, a.shape, a.offset) for a in unknowns]
            return assemble(
                self.name, base.graph, base.inputs, base.parameters, results, [], [step], base.tangents
            )  # fmt: skip

    def _residual(self, base: Program) -> list[int]:
        steps = base.forward.steps
        if len(steps) != 1 or not isinstance(steps[0], Assign):
            raise ValueError(f"{self.name}: the residual {base.name} is implicit itself; expected an explicit function")
        nodes = dict(steps[0].stores)
        return [nodes[c] for a in base.outputs for c in a.components]


def _checked(function: str, option: str, value: _Number) -> _Number:
    """The value, which the solvers of input files would take too."""
    from neml2._neml2 import solver_option_refusal

    if (expected := solver_option_refusal("NewtonWithLineSearch", option, value)) is not None:
        raise ValueError(f"{function}: {option} is {value}; expected {expected}")
    return value


def _line_search(function: str, kind: str | None) -> int:
    if kind not in _LINE_SEARCHES:
        raise ValueError(f"{function}: linesearch_type is {kind!r}; expected None, 'BACKTRACKING' or 'STRONG_WOLFE'")
    return _LINE_SEARCHES[kind]

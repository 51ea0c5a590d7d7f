# SPDX-License-Identifier: MIT
"""A torch function of fixed small shapes, compiled on first use."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neml2.compiler.backends.native.host import Library, Report
from neml2.compiler.graph.assemble import assemble, derivative
from neml2.compiler.graph.program import Argument, Assign, Program
from neml2.errors import place_of, suggestion
from neml2.native import arrays
from neml2.native.arrays import Array, Shape
from neml2.native.failures import not_converged

if TYPE_CHECKING:
    import torch

    from neml2.compiler.backends.native.direct import Direct

SCALARS = {"float64": "double", "float32": "float"}


class NumericalFunction:
    """A torch function of one material point, as native code.

    fn: takes tensors of the shapes of `inputs`, in that order, and returns a tensor, a sequence of them in the order of
        `outputs`, or a mapping by their names. It is traced, without batch axes: no branches on values.
    inputs: name -> shape of one point: a tuple, a size, or a type of neml2.types (`fn` then gets such a value).
    outputs: names of the results; their shapes are found by tracing.
    name: what messages and generated code call it; default: the name of `fn`.
    dtype: "float64" or "float32", of all inputs and outputs.

    Called with NumPy arrays or torch tensors of shape (*batch, *shape), by position or by name. Batch axes broadcast.
    Returns an array of shape (*batch, *output shape), a tuple of them where there are several outputs: torch tensors if
    an argument is one, else NumPy arrays. The first call compiles; what is compiled is kept between runs. Results know
    their derivatives by tensors that require gradients, and by those that torch.func follows.

    Raises TypeError and ValueError for arguments that do not fit, CaptureError for a function that cannot be traced,
    BuildError where there is no C++ compiler.
    """

    minimizes = False
    """Whether it is an SQP, whose C++ is its own matter."""

    def __init__(
        self,
        fn: Callable[..., Any],
        inputs: Mapping[str, Any],
        outputs: Sequence[str] | str,
        *,
        name: str | None = None,
        dtype: str = "float64",
    ) -> None:
        self.fn = fn
        label = name or getattr(fn, "__name__", type(fn).__name__).strip("<>")
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        self._describe(label, {n: arrays.shape_of(n, s) for n, s in inputs.items()}, names, dtype)
        self._types = {n: s for n, s in inputs.items() if hasattr(s, "BASE_SHAPE")}
        _check_signature(label, fn, list(inputs))

    def _describe(self, name: str, inputs: dict[str, Shape], outputs: list[str], dtype: str) -> None:
        if dtype not in SCALARS:
            raise ValueError(f"{name}: dtype {dtype!r} is not possible; expected 'float64' or 'float32'")
        for kind, names in (("input", list(inputs)), ("output", outputs)):
            if not names:
                raise ValueError(f"{name}: no {kind}s; expected at least one")
            doubled = sorted({n for n in names if names.count(n) > 1})
            if doubled:
                raise ValueError(f"{name}: {kind} '{doubled[0]}' is there twice")
        self.name, self.inputs, self.output_names, self.dtype = name, inputs, outputs, dtype
        self._fixed: dict[str, Array] = {}  # arguments that the caller does not give
        self._program: Program | None = None
        self._library: Library | None = None
        self._direct: Direct | None = None
        self._products: Library | None = None  # a kernel with jvp and vjp
        self._followed: Any = None  # what PyTorch's operators know it as
        self._dtype = np.dtype(dtype)
        self._lock = threading.RLock()

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def program(self) -> Program:
        """The captured program; traces the function when first asked for."""
        with self._lock:
            if self._program is None:
                self._program = self._assemble()
            return self._program

    @property
    def scalar(self) -> str:
        """The C++ type of a component."""
        return SCALARS[self.dtype]

    @property
    def outputs(self) -> dict[str, Shape]:
        """Shapes of the outputs at one point."""
        return {a.name: a.shape for a in self.program.outputs}

    def source(self) -> str:
        """The C++ source that is compiled."""
        from neml2.compiler.backends.native.text import kernel

        return kernel.source(self.program, self.scalar)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{n}{list(s) if s else ''}" for n, s in self.inputs.items())
        return f"<{type(self).__name__} {self.name}({inputs}) -> {', '.join(self.output_names)}>"

    def _assemble(self) -> Program:
        from neml2.compiler.frontend.capture import capture, inputs
        from neml2.compiler.graph.pointgraph import PointGraph

        graph = PointGraph()
        given, offset = _arguments(self.inputs, 0, self._types)
        nodes = [inputs(graph, a.offset, a.shape) for a in given]
        captured = capture(graph, self._point, self._examples(), nodes, self.name)
        shapes = {n: tuple(v.shape) for n, v in zip(self.output_names, captured, strict=True)}
        results, size = _arguments(shapes, offset, {})
        stores = [
            (a.offset + k, graph.number(int(node)))
            for a, v in zip(results, captured, strict=True)
            for k, node in enumerate(v.reshape(-1))
        ]
        return assemble(self.name, graph, given, 0, results, [], [Assign(stores)], size)

    def _examples(self) -> list[torch.Tensor]:
        import torch

        return [torch.full(shape, 0.5, dtype=getattr(torch, self.dtype)) for shape in self.inputs.values()]

    def _point(self, *data: torch.Tensor) -> list[torch.Tensor]:
        """The function at one point, as a list of tensors in the order of the outputs."""
        import torch

        values = [self._types[n](d) if n in self._types else d for n, d in zip(self.inputs, data, strict=True)]
        found = self.fn(*values)
        place = place_of(self.fn)
        if isinstance(found, Mapping):
            if set(found) != set(self.output_names):
                expected = ", ".join(self.output_names)
                raise ValueError(f"{place}{self.name} returned {', '.join(map(str, found))}; expected {expected}")
            found = [found[n] for n in self.output_names]
        several = found if isinstance(found, (tuple, list)) else [found]
        raw = [v.data if hasattr(v, "sub_batch_ndim") else v for v in several]
        if len(raw) != len(self.output_names) or not all(isinstance(v, torch.Tensor) for v in raw):
            returned = ", ".join("None" if v is None else type(v).__name__ for v in several)
            raise TypeError(
                f"{place}{self.name} returned ({returned}); expected tensors: {', '.join(self.output_names)}"
            )
        return raw

    # ---- derived functions -------------------------------------------------------------------------------------------

    def jacobian(self, of: str | None = None, wrt: str | None = None, *, value: bool = False) -> NumericalFunction:
        """d(of)/d(wrt) as a function of the same inputs, with one output `d<of>_d<wrt>` of shape (*of, *wrt); with
        `value`, the output `of` before it, from the same pass.

        Either may be left out where there is only one. Exact, from the captured graph; for an implicit function by the
        implicit function theorem.
        """
        return _Jacobian(self, _choose(self.name, of, self.output_names, "output"), self._differentiable(wrt), value)

    def _differentiable(self, wrt: str | None) -> str:
        return _choose(self.name, wrt, list(self.inputs), "input")

    # ---- calling -----------------------------------------------------------------------------------------------------

    def compile(self) -> Library:
        """Compile now, or load what is kept; a call does it when needed."""
        with self._lock:
            if self._library is None:
                from neml2.compiler.backends.native.library import library

                self._library = library(self.program, self.scalar)
            return self._library

    def jvp(self, values: Mapping[str, Any], tangents: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The outputs, and their derivatives along `tangents` of inputs, all by name; missing tangents are zero. The
        first call compiles a kernel with derivatives. Raises NotImplementedError for the Jacobian of an implicit
        function."""
        from neml2.native.gradients import product

        return product(self, "jvp", values, tangents)

    def vjp(self, values: Mapping[str, Any], cotangents: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The outputs, and what the inputs get from `cotangents` of outputs, all by name: each in the shape that the
        input was given in, summed over the points that share it. As jvp."""
        from neml2.native.gradients import product

        return product(self, "vjp", values, cotangents)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(map(arrays.is_followed, args)) or any(map(arrays.is_followed, kwargs.values())):
            from neml2.native.gradients import followed

            return followed(self, arrays.bind(self.name, self.inputs, args, kwargs))
        values, report = self.with_report(*args, **kwargs)
        if not report.ok:
            raise not_converged(self.name, report)
        return values

    def _known(self) -> int:
        """What PyTorch's operators know the function by."""
        from neml2.native.gradients import known

        return known(self)

    _known._dynamo_marked_constant = True  # type: ignore[attr-defined]  # see neml2.torch_operators

    def with_report(self, *args: Any, **kwargs: Any) -> tuple[Any, Report]:
        """The values, and what became of each point: no error where a solve inside did not converge; the values of such
        a point are those of its last iterate."""
        given = arrays.bind(self.name, self.inputs, args, kwargs)
        values = {n: arrays.as_array(self.name, n, given[n], s, self._dtype) for n, s in self.inputs.items()}
        results, report = self._run(values)
        if any(map(arrays.is_torch, given.values())):
            import torch

            results = [torch.from_numpy(r) for r in results]
        return (results[0] if len(results) == 1 else tuple(results)), report

    def _run(self, values: dict[str, Array]) -> tuple[list[Array], Report]:
        direct = self._direct
        if direct is None:
            from neml2.compiler.backends.native.direct import Direct

            direct = self._direct = Direct(self.compile())
        everything = {**values, **self._fixed}
        found = direct(everything)
        if found is None:
            arrays.check_batch(self.name, values, self.inputs)
            found = direct.library.forward(everything)
        named, report = found
        return [named[n] for n in self.output_names], report


class _Jacobian(NumericalFunction):
    """The derivative of one output of a function with respect to one of its inputs; see NumericalFunction.jacobian."""

    def __init__(self, function: NumericalFunction, of: str, wrt: str, value: bool = False) -> None:
        self.function, self.of, self.wrt, self.value = function, of, wrt, value
        block = f"d{of}_d{wrt}"
        name = f"{function.name}_{f'{of}_' if value else ''}{block}"
        self._describe(name, dict(function.inputs), [of, block] if value else [block], function.dtype)
        self.fn, self._types, self._fixed = function.fn, function._types, function._fixed

    def _assemble(self) -> Program:
        with self.function._lock:  # its graph grows
            return derivative(self.function.program, self.name, self.of, self.wrt, self.value)


def _arguments(shapes: Mapping[str, Shape], offset: int, types: Mapping[str, Any]) -> tuple[list[Argument], int]:
    """Arguments side by side in the state from `offset` on, and where they end."""
    found = []
    for name, shape in shapes.items():
        found.append(Argument(name, types[name].__name__ if name in types else "Tensor", shape, offset))
        offset += found[-1].size
    return found, offset


def _choose(function: str, name: str | None, names: Sequence[str], kind: str) -> str:
    if name is None:
        if len(names) > 1:
            raise ValueError(f"{function}: which {kind} is meant? There are {', '.join(names)}")
        return names[0]
    if name not in names:
        raise ValueError(f"{function}: no {kind} '{name}'{suggestion(name, names)}; there are {', '.join(names)}")
    return name


def _check_signature(label: str, fn: Callable[..., Any], inputs: list[str]) -> None:
    """Raises TypeError where `fn` is no function of as many arguments, or has the names of the inputs in another
    order."""
    if not callable(fn):
        raise TypeError(f"{label}: expected a function, not {type(fn).__name__}")
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # some builtins have none
        return
    try:
        signature.bind(*inputs)
    except TypeError:
        raise TypeError(f"{label}{signature} cannot be called with the inputs ({', '.join(inputs)})") from None
    names = list(signature.parameters)[: len(inputs)]
    if names != inputs and sorted(names) == sorted(inputs):
        raise TypeError(f"{label}{signature} has another order than the inputs ({', '.join(inputs)})")

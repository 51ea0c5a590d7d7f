# SPDX-License-Identifier: MIT
"""Derivatives of native functions as products: for NumPy, and under PyTorch's transformations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neml2.compiler.backends.native.host import Library
from neml2.compiler.graph.assemble import assemble, check_explicit
from neml2.errors import suggestion
from neml2.native import arrays
from neml2.native.arrays import Array
from neml2.native.failures import not_converged

if TYPE_CHECKING:
    from torch import Tensor

    from neml2.native.function import NumericalFunction


def library(function: NumericalFunction) -> Library:
    """The kernel of `function` with products by all of its inputs."""
    with function._lock:
        if function._products is None:
            from neml2.compiler.backends.native import library as kept

            base = function.program
            check_explicit(base, function.name)
            numbers = [k for k, a in enumerate(base.inputs) if a.name in function.inputs]
            pairs = [(out, given) for out in range(len(base.outputs)) for given in numbers]
            same = (base.name, base.graph, base.inputs, base.parameters, base.outputs)
            program = assemble(*same, pairs, base.forward.steps, base.tangents, ("jvp", "vjp"))
            function._products = kept.library(program, function.scalar)
        return function._products


def product(
    function: NumericalFunction, way: str, values: Mapping[str, Any], directions: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`way`: "jvp" or "vjp". Raises as calls of the function do."""
    name, shapes = function.name, (function.inputs if way == "jvp" else function.outputs)
    kind = "input" if way == "jvp" else "output"
    for other in directions:
        if other not in shapes:
            raise ValueError(f"{name}: no {kind} '{other}'{suggestion(other, shapes)}; there are {', '.join(shapes)}")
    given = arrays.bind(name, function.inputs, (), values)

    def converted(some: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, Array]:
        return {n: arrays.as_array(name, n, v, shapes[n], function._dtype) for n, v in some.items()}

    points = converted(given, function.inputs)
    arrays.check_batch(name, points, function.inputs)
    moving = converted(directions, shapes)
    outputs, found, report = getattr(library(function), way)({**points, **function._fixed}, moving)
    if not report.ok:
        raise not_converged(name, report)
    names = function.output_names if way == "jvp" else function.inputs
    results = [{n: outputs[n] for n in function.output_names}, {n: found[n] for n in names}]
    if any(map(arrays.is_torch, (*given.values(), *directions.values()))):
        import torch

        results = [{n: torch.from_numpy(np.asarray(a)) for n, a in r.items()} for r in results]
    return results[0], results[1]


def followed(function: NumericalFunction, given: Mapping[str, Any]) -> Any:
    """The call of a function whose arguments PyTorch follows."""
    import torch

    from neml2.torch_operators import apply

    numbers, values = [], []
    for k, name in enumerate(function.inputs):
        value = arrays._raw(given[name])
        if not isinstance(value, torch.Tensor):
            value = torch.as_tensor(value, dtype=getattr(torch, function.dtype))
        numbers.append(k)
        values.append(value)
    found = apply(function._known(), numbers, values)
    return found[0] if len(found) == 1 else found


def known(function: NumericalFunction) -> int:
    """What operators know a function by."""
    from neml2.torch_operators import Compiled

    class CompiledFunction(Compiled):
        def owner(self) -> object:
            return function

        def forward(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
            found = function(**values)
            return dict(zip(self.outputs, (found,) if len(self.outputs) == 1 else found, strict=True))

        def jvp(self, values: dict[str, Tensor], tangents: dict[str, Tensor]) -> dict[str, Tensor]:
            return product(function, "jvp", values, tangents)[1]

        def vjp(self, values: dict[str, Tensor], cotangents: dict[str, Tensor], wanted: list[str]) -> dict[str, Tensor]:
            return product(function, "vjp", values, cotangents)[1]

    with function._lock:
        if function._followed is None:
            pairs = [(out, given) for out in function.output_names for given in function.inputs]
            function._followed = CompiledFunction(function.name, function.inputs, function.outputs, pairs, "")
        return function._followed.key

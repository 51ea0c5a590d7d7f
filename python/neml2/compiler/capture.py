# SPDX-License-Identifier: MIT
"""Capture: a torch function of one material point becomes nodes of a point graph.

The function is run once on small tensors of static shape (no batch axes), below everything that torch.func does: nested
transforms are resolved by that run, and what they come down to is a list of ATen operations on plain tensors. Each
operation is given its scalar meaning by `neml2.compiler.aten`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neml2.compiler import aten
from neml2.compiler.pointgraph import PointGraph

if TYPE_CHECKING:
    import torch

    from neml2.compiler.aten import Nodes


class CaptureError(ValueError):
    """A function that has no point graph; says which operation or which habit of the function is at fault."""


@dataclass
class Operation:
    """One ATen operation of a trace; tensors, also those inside lists, stand for themselves."""

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any


def trace(
    function: Callable[..., Sequence[torch.Tensor]], examples: Sequence[torch.Tensor]
) -> tuple[list[Operation], Sequence[torch.Tensor]]:
    """The ATen operations of `function` at one material point, and the tensors it returns.

    make_fx would do the same and bring in torch._inductor, whose import takes longer than compiling a small model.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    operations: list[Operation] = []
    known = {id(x) for x in examples}

    class Recorder(TorchDispatchMode):
        @classmethod
        def _should_skip_dynamo(cls) -> bool:  # or the first operation imports torch._dynamo to switch it off
            return False

        def __torch_dispatch__(self, target: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            with self:
                result = target.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            given = [id(x) for x in _tensors((args, kwargs))]
            if torch.Tag.data_dependent_output in target.tags and not known.isdisjoint(given):
                raise CaptureError("its values decide what it does, as in an if on a tensor")
            result = target(*args, **kwargs)
            known.update(id(x) for x in _tensors(result))
            operations.append(Operation(target, args, kwargs, result))
            return result

    # torch.func's own transforms write in place (a basis for jacfwd); functionalised, these are plain operations
    pure = torch.func.functionalize(function, remove="mutations_and_views")
    with Recorder():
        results = pure(*examples)
    return operations, results


def _tensors(value: Any) -> list[torch.Tensor]:
    """The tensors in a value, a sequence or a mapping."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [x for part in inner for x in _tensors(part)]


def capture(
    graph: PointGraph,
    function: Callable[..., Sequence[torch.Tensor]],
    examples: Sequence[torch.Tensor],
    components: Sequence[Nodes],
    where: str = "the model",
) -> list[Nodes]:
    """Write `function` into `graph`.

    `examples[k]` is an example of argument k at one material point; `components[k]`, of the same shape, holds the nodes
    that stand for its entries. Returns one array of nodes for each tensor the function returns. The values of the
    examples do not matter, as long as the function can be evaluated there.
    """
    try:
        operations, results = trace(function, examples)
    except (CaptureError, RuntimeError) as error:
        raise CaptureError(f"{where} cannot be captured as a graph: {str(error).splitlines()[0]}") from error
    exact, graph.exact = graph.exact, True
    try:
        return _translate(graph, operations, dict(zip(map(id, examples), components, strict=True)), results, where)
    finally:
        graph.exact = exact


def _translate(
    graph: PointGraph,
    operations: Sequence[Operation],
    values: dict[int, Any],
    results: Sequence[torch.Tensor],
    where: str,
) -> list[Nodes]:
    """Give each operation of a trace its scalar meaning. `values`: of tensors, by their identity."""
    import torch

    scalars = aten.Scalars(graph)

    def value_of(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return values[id(x)] if id(x) in values else scalars.nodes(_constant(x))
        if isinstance(x, (tuple, list)):
            return type(x)(map(value_of, x))
        return x

    for operation in _needed(operations, results):
        args, kwargs = value_of(operation.args), {k: value_of(x) for k, x in operation.kwargs.items()}
        try:
            value = aten.call(scalars, operation.target, args, kwargs)
        except aten.Unsupported as error:
            raise CaptureError(f"{where} uses {error}, which has no meaning in scalar operations") from error
        several = isinstance(operation.result, (tuple, list))
        pairs = zip(operation.result, value, strict=True) if several else [(operation.result, value)]
        values.update((id(x), nodes) for x, nodes in pairs)
    return [scalars.map(lambda n: n, value_of(x)) for x in results]


def _needed(operations: Sequence[Operation], results: Sequence[torch.Tensor]) -> list[Operation]:
    """The operations behind `results`, in their order."""
    wanted, kept = {id(x) for x in results}, []
    for operation in reversed(operations):
        if not wanted.isdisjoint(map(id, _tensors(operation.result))):
            kept.append(operation)
            wanted.update(map(id, _tensors((operation.args, operation.kwargs))))
    return kept[::-1]


def _constant(x: torch.Tensor) -> Any:
    import torch

    x = x.detach().cpu()
    return x.numpy() if x.dtype == torch.bool else x.double().numpy()


def inputs(graph: PointGraph, offset: int, shape: Sequence[int]) -> Nodes:
    """Input nodes of a variable of `shape` whose components start at `offset` of the state."""
    size = int(np.prod(shape, dtype=int))
    return np.array([graph.input(offset + k) for k in range(size)], dtype=np.int64).reshape(tuple(shape))

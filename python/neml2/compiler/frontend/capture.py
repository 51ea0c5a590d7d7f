# SPDX-License-Identifier: MIT
"""Capture: a torch function of one material point becomes nodes of a point graph.

trace.py finds the ATen operations that the function comes down to; each is given its scalar meaning by aten/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neml2.compiler.frontend import aten, sites
from neml2.compiler.frontend.trace import CaptureError, Operation, Trace, tensors, trace
from neml2.compiler.graph.pointgraph import PointGraph

if TYPE_CHECKING:
    import torch

    from neml2.compiler.frontend.aten import Nodes


def capture(
    graph: PointGraph,
    function: Callable[..., Sequence[torch.Tensor]],
    examples: Sequence[torch.Tensor],
    components: Sequence[Nodes | sites.Along],
    where: str = "the model",
) -> list[Any]:
    """Write `function` into `graph`.

    `examples[k]` is an example of argument k at one material point; `components[k]`, of the same shape, holds the nodes
    that stand for its entries, or, `Along` an axis, for those of all sites. Returns one of these for each tensor the
    function returns. The values of the
    examples do not matter, as long as the function can be evaluated there.
    """
    try:
        traced = trace(function, examples)
    except CaptureError as error:
        raise CaptureError(f"{where} cannot be captured as a graph: {error}") from error
    exact, graph.exact = graph.exact, True
    try:
        return _translate(graph, traced, dict(zip(map(id, examples), components, strict=True)), where)
    finally:
        graph.exact = exact


def _translate(graph: PointGraph, traced: Trace, values: dict[int, Any], where: str) -> list[Nodes]:
    """Give each operation of a trace its scalar meaning. `values`: of tensors, by their identity."""
    import torch

    wide = [torch.finfo(x.dtype).bits for x in traced.examples if x.dtype.is_floating_point]
    scalars = aten.Scalars(graph, max(wide, default=64))
    along_sites = any(isinstance(x, sites.Along) for x in values.values())

    def value_of(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return values[id(x)] if id(x) in values else scalars.nodes(_constant(x))
        if isinstance(x, (tuple, list)):
            return type(x)(map(value_of, x))
        return x

    place = ""
    try:
        for operation in _needed(traced):
            place = operation.place
            args, kwargs = value_of(operation.args), {k: value_of(x) for k, x in operation.kwargs.items()}
            value = sites.call(scalars, operation.target, args, kwargs)
            several = isinstance(operation.result, (tuple, list))
            pairs = zip(operation.result, value, strict=True) if several else [(operation.result, value)]
            for x, nodes in pairs:
                values[id(x)] = nodes
                if along_sites and nodes is not None:
                    sites.check(scalars, nodes, x.shape)
        place = ""
        return [_numbers(scalars, value_of(x)) for x in traced.results]
    except aten.Unsupported as error:
        raise CaptureError(f"{where} cannot be captured as a graph: {place}{': ' * bool(place)}{error}") from error


def _numbers(scalars: aten.Scalars, value: Nodes | sites.Along) -> Any:
    """`value` with truth values as numbers."""
    return value.map(scalars.numbers) if isinstance(value, sites.Along) else scalars.numbers(value)


def _needed(traced: Trace) -> list[Operation]:
    """The operations behind the results, in their order."""
    wanted, kept = {id(x) for x in traced.results}, []
    for operation in reversed(traced.operations):
        if not wanted.isdisjoint(map(id, tensors(operation.result))):
            kept.append(operation)
            wanted.update(map(id, tensors((operation.args, operation.kwargs))))
    return kept[::-1]


def _constant(x: torch.Tensor) -> Any:
    import torch

    x = x.detach().cpu()
    return x.numpy() if x.dtype == torch.bool else x.double().numpy()


def inputs(graph: PointGraph, offset: int, shape: Sequence[int], along: bool = False) -> Any:
    """Input nodes of a variable of `shape` whose components start at `offset` of the state; `along`: its first axis has
    sites."""
    if along:
        count, rest = shape[0], tuple(shape[1:])
        stride = int(np.prod(rest, dtype=int))
        nodes = np.array([graph.sites(offset + k, stride, count) for k in range(stride)], dtype=np.int64)
        return sites.Along(nodes.reshape(1, *rest), 0, count)
    size = int(np.prod(shape, dtype=int))
    return np.array([graph.input(offset + k) for k in range(size)], dtype=np.int64).reshape(tuple(shape))

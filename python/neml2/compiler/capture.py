# SPDX-License-Identifier: MIT
"""Capture: a torch function of one material point becomes nodes of a point graph.

The function is traced once with `make_fx` on small tensors of static shape (no batch axes). Nested `torch.func`
transforms are resolved by that trace. What remains is a list of ATen operations, each given its scalar meaning by
`neml2.compiler.aten`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neml2.compiler import aten
from neml2.compiler.pointgraph import PointGraph

if TYPE_CHECKING:
    import torch

    from neml2.compiler.aten import Nodes


class CaptureError(ValueError):
    """A function that has no point graph; says which operation or which habit of the function is at fault."""


def trace(function: Callable[..., Sequence[torch.Tensor]], examples: Sequence[torch.Tensor]) -> torch.fx.GraphModule:
    """The ATen graph of `function` at one material point."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    # torch.func's own transforms write in place (a basis for jacfwd); functionalised, these are plain operations
    graph = make_fx(torch.func.functionalize(function, remove="mutations_and_views"))(*examples)
    graph.graph.eliminate_dead_code()
    return graph


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
    import torch

    try:
        traced = trace(function, examples)
    except (torch.fx.proxy.TraceError, RuntimeError) as error:
        raise CaptureError(f"{where} cannot be captured as a graph: {str(error).splitlines()[0]}") from error
    exact, graph.exact = graph.exact, True
    try:
        return _translate(graph, traced, components, where)
    finally:
        graph.exact = exact


def _translate(graph: PointGraph, traced: torch.fx.GraphModule, components: Sequence[Nodes], where: str) -> list[Nodes]:
    """Give each operation of a traced function its scalar meaning."""
    import torch

    scalars = aten.Scalars(graph)
    values: dict[Any, Any] = {}
    arguments = iter(components)
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            values[node] = next(arguments)
        elif node.op == "get_attr":
            constant = _attribute(traced, node.target).detach().cpu()
            values[node] = scalars.nodes(
                constant.numpy() if constant.dtype == torch.bool else constant.double().numpy()
            )
        elif node.op == "output":
            results = torch.fx.node.map_arg(node.args[0], values.__getitem__)
            return [scalars.map(lambda n: n, r) for r in results]
        else:
            args = torch.fx.node.map_arg(node.args, values.__getitem__)
            kwargs = torch.fx.node.map_arg(node.kwargs, values.__getitem__)
            values[node] = _call(scalars, node, args, kwargs, where)
    raise CaptureError(f"{where} returned nothing")


def _call(scalars: aten.Scalars, node: Any, args: Any, kwargs: Any, where: str) -> Any:
    try:
        return aten.call(scalars, node.target, args, dict(kwargs))
    except aten.Unsupported as error:
        raise CaptureError(f"{where} uses {error}, which has no meaning in scalar operations") from error


def _attribute(module: Any, path: str) -> torch.Tensor:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def inputs(graph: PointGraph, offset: int, shape: Sequence[int]) -> Nodes:
    """Input nodes of a variable of `shape` whose components start at `offset` of the state."""
    size = int(np.prod(shape, dtype=int))
    return np.array([graph.input(offset + k) for k in range(size)], dtype=np.int64).reshape(tuple(shape))

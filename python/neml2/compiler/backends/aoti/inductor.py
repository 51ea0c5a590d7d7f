# SPDX-License-Identifier: MIT
"""One AOT-Inductor kernel for one point graph.

A graph enters Inductor as a single custom operation, `neml2::point`, whose lowering is one loop over all points with
the whole graph as its body: every scalar operation stays in a register, every result is stored once. The state is an
"array of structures of arrays" of shape (blocks, components, lanes): a block holds `lanes` neighbouring points, so
each load and store is one aligned vector, and a graph needs no code for a ragged end.

Left to itself, Inductor would see one loop per result, thousands of them, and spend minutes on fusing them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from neml2.compiler.package import isa
from neml2.compiler.plan.plan import Kernel

CPU_LANES = 16
GPU_LANES = 128  # a warp reads whole cache lines, four warps share the arithmetic of a block's address
# Any number above one: the number of blocks is a dynamic dimension. On GPUs it is also the hint by which Inductor
# chooses how many points a thread works on; a small one lets it try a single point, all that registers have room for.
_EXAMPLE_BLOCKS = 7


@dataclass
class Target:
    """What to compile for. On a GPU, `isa` is what it can do; kernels are made for the one that is here."""

    device: str = "cpu"
    dtype: str = "float64"
    isa: str = field(default_factory=isa.best)
    lanes: int = field(init=False, default=CPU_LANES)

    def __post_init__(self) -> None:
        if not self.on_cpu:
            import torch

            self.isa = "sm_{}{}".format(*torch.cuda.get_device_capability(self.device))
            self.lanes = GPU_LANES

    @property
    def on_cpu(self) -> bool:
        return self.device == "cpu"


_kernels: dict[str, Kernel] = {}


@cache
def _operation() -> Any:
    """Define `neml2::point` and `neml2::point_` and their lowering; once a process."""
    import torch
    from torch._inductor import ir, lowering
    from torch._inductor.virtualized import V, ops

    library = torch.library.Library("neml2", "FRAGMENT")
    library.define("point(str kernel, Tensor state, Tensor(a!) out) -> ()")
    library.define("point_(str kernel, Tensor(a!) state) -> ()")
    for name in ("point", "point_"):
        library.impl(name, lambda *_: None, "CompositeExplicitAutograd")

    class PointLoop(ir.Scatter):
        """One loop over (blocks, lanes) with many stores."""

        def store_output(self, output_name: str | None, indexer: Any, vars: Any) -> Any:
            block, lane = vars
            result = None
            for component, value in self.inner_fn(vars):
                result = ops.store(output_name or "unnamed", indexer([block, component, lane]), value)
            return result

    def lower(kernel_name: str, state: Any, out: Any) -> None:
        kernel = _kernels[kernel_name]
        state.realize()
        out.realize()
        blocks, _, lanes = state.get_size()
        loop = PointLoop(
            device=state.get_device(),
            dtype=state.get_dtype(),
            inner_fn=_body(kernel, state.make_loader(), ops, state.get_dtype()),
            ranges=[blocks, lanes],
            output_indexer=lambda index: index,
            scatter_mode=None,
        )
        buffer = ir.ComputedBuffer(name=None, layout=ir.MutationLayoutSHOULDREMOVE(out), data=loop)
        buffer.name = V.graph.register_buffer(buffer)
        V.graph.register_operation(buffer)

    lowering.lowerings[torch.ops.neml2.point.default] = lower
    lowering.lowerings[torch.ops.neml2.point_.default] = lambda name, state: lower(name, state, state)
    return library


def _body(kernel: Kernel, load: Any, ops: Any, dtype: Any) -> Any:
    """The loop's body: interpret the graph with Inductor's operations as its semantics."""
    import torch

    graph = kernel.graph
    wanted = [node for _, node in kernel.stores]
    one = lambda: ops.constant(1.0, dtype)  # noqa: E731
    renamed = {"recip": lambda a: ops.truediv(one(), a), "div": ops.truediv, "lt": ops.lt, "le": ops.le, "eq": ops.eq,
               "hold": lambda a: a, "and": ops.logical_and, "or": ops.logical_or, "not": ops.logical_not}  # fmt: skip

    def body(index: Sequence[Any]) -> list[tuple[int, Any]]:
        block, lane = index
        values: dict[int, Any] = {}
        for node in graph.reachable(wanted):
            op, value = graph.op[node], graph.value[node]
            if op == "const":
                values[node] = ops.constant(value, torch.bool if isinstance(value, bool) else dtype)
            elif op == "input":
                values[node] = load([block, value, lane])
            else:
                apply = renamed.get(op) or getattr(ops, op)
                values[node] = apply(*(values[a] for a in graph.args[node]))
        return [(component, values[node]) for component, node in kernel.stores]

    return body


@contextlib.contextmanager
def _quick_strides() -> Iterator[None]:
    """Let Inductor find the stride of an affine index without sympy's `simplify`, which takes most of a compile."""
    import sympy
    from torch._inductor.codegen import cpp

    original = getattr(cpp, "stride_at_vec_range", None)
    if original is None:
        yield
        return

    @cache
    def stride(index: Any, variable: Any, vec_length: int | None = None) -> Any:
        if index.is_Add or index.is_Mul or index.is_Symbol:
            slope = index.diff(variable)
            if slope.is_Integer and all(s.is_Symbol or s.is_Integer for s in sympy.preorder_traversal(slope)):
                return slope
        return original(index, variable, vec_length)

    cpp.stride_at_vec_range = stride
    try:
        yield
    finally:
        cpp.stride_at_vec_range = original


def options(target: Target, scratch: Path) -> dict[str, Any]:
    """Inductor's settings: serial kernels (the runtime runs chunks in parallel), no compile workers of its own, no
    precompiled headers (they cost more than they save on one or two files), no trial compiles to find the vector
    instructions. The path of `scratch`, where the sources lie, is kept out of the objects: equal graphs give equal
    files. Kernels for a GPU become part of the shared object, which the runtime loads from memory."""
    from torch._inductor import config

    chosen: dict[str, Any] = {"compile_threads": 1}
    if target.on_cpu:
        march, bits, _ = isa.LEVELS[target.isa]
        chosen |= {
            "cpp.threads": 1,
            "cpp.vec_isa_ok": bits > 0,
            "cpp.simdlen": bits or 1,
            "cpp.march": f"{march} -ffile-prefix-map={scratch}=.",
            "cpp_cache_precompile_headers": False,
            "aot_inductor.precompile_headers": False,
            "aot_inductor.compile_wrapper_opt_level": "O0",
        }
    else:
        chosen["aot_inductor.embed_kernel_binary"] = True
    known = config.get_config_copy()
    return {key: value for key, value in chosen.items() if key in known}


def compile_kernel(kernel: Kernel, path: Path, target: Target, scratch: Path) -> None:
    """Write the AOT-Inductor archive of `kernel` to `path` (a `.pt2` file); intermediate files go to `scratch`."""
    with _quiet(), patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=str(scratch)):
        _compile(kernel, path, target, scratch)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Torch warns about its own deprecations and, built for CUDA, about the lack of a GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _compile(kernel: Kernel, path: Path, target: Target, scratch: Path) -> None:
    import torch
    import torch._inductor

    _operation()
    _kernels[kernel.name] = kernel
    device, dtype = torch.device(target.device), getattr(torch, target.dtype)
    state = torch.ones(_EXAMPLE_BLOCKS, kernel.state_size, target.lanes, device=device, dtype=dtype)
    out = torch.ones(_EXAMPLE_BLOCKS, kernel.output_size or 1, target.lanes, device=device, dtype=dtype)
    arguments = (state,) if kernel.in_place else (state, out)
    blocks = torch.export.Dim("blocks", min=1, max=_most_blocks(kernel, target))
    program = torch.export.export(
        _module(kernel), arguments, dynamic_shapes=tuple({0: blocks} for _ in arguments), strict=False
    )
    with _quick_strides():
        torch._inductor.aoti_compile_and_package(
            program, package_path=str(path), inductor_configs=options(target, scratch)
        )


def _most_blocks(kernel: Kernel, target: Target) -> int:
    """How many blocks a call may have. GPUs get no more than 32-bit indices reach, which they calculate much faster
    with: the runtime's chunks are smaller."""
    if target.on_cpu:
        return 1 << 40
    return (2**31 - 1) // (max(kernel.state_size, kernel.output_size or 1) * target.lanes)


def _module(kernel: Kernel) -> Any:
    """The module to export: one call of the custom operation."""
    import torch

    class Call(torch.nn.Module):
        def forward(self, *arguments: Any) -> None:
            operation = torch.ops.neml2.point_ if kernel.in_place else torch.ops.neml2.point
            operation(kernel.name, *arguments)

    class State(Call):
        def forward(self, state: Any) -> None:
            super().forward(state)

    class StateAndOut(Call):
        def forward(self, state: Any, out: Any) -> None:
            super().forward(state, out)

    return State() if kernel.in_place else StateAndOut()

# SPDX-License-Identifier: MIT
"""Compiled functions under PyTorch's transformations: operators that it knows, and the function of autograd over them.

A `Compiled` stands for one model or function. Operators are registered with torch.library, know the shapes of their
results (`torch.compile`), and how they are mapped (`torch.func.vmap`); tensors cross them in lists, as `Compiled` is
asked for them. Backward is one vector-Jacobian product, forward mode one Jacobian-vector product; there are no second
derivatives.

`torch.compile` calls what is marked `_dynamo_marked_constant` while it traces, and takes the result for a constant:
that is what torch.compiler.assume_constant_result does, which takes seconds, as it imports the compiler.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Tensors = Sequence[Tensor]
_compiled: weakref.WeakValueDictionary[int, Compiled] = weakref.WeakValueDictionary()
_keys = itertools.count()


class Compiled:
    """What operators call; see `__call__`. `arguments` and `outputs`: the shape of one point by name; `pairs`: (output,
    argument) of the derivatives that there are; `remedy`: what to do about one that is not, with {} for both names. A
    subclass evaluates raw tensors by name: what is not given has a value of its own."""

    error: type[Exception] = ValueError
    """Raised for a derivative that is not there."""

    def __init__(
        self,
        name: str,
        arguments: Mapping[str, tuple[int, ...]],
        outputs: Mapping[str, tuple[int, ...]],
        pairs: Sequence[tuple[str, str]],
        remedy: str,
    ) -> None:
        self.name, self.remedy = name, remedy
        self.arguments, self.shapes = list(arguments), list(arguments.values())
        self.outputs, self.output_shapes = list(outputs), list(outputs.values())
        self.pairs = frozenset(pairs)
        self.key = next(_keys)
        _compiled[self.key] = self

    def forward(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        raise NotImplementedError

    def jvp(self, values: dict[str, Tensor], tangents: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tangents of the outputs."""
        raise NotImplementedError

    def vjp(self, values: dict[str, Tensor], cotangents: dict[str, Tensor], wanted: list[str]) -> dict[str, Tensor]:
        """Cotangents of the `wanted` arguments, each in the shape of its value."""
        raise NotImplementedError

    def rest(self, names: frozenset[str]) -> torch.Size:
        """Batch axes of the values that arguments other than `names` have of themselves."""
        return torch.Size()

    def owner(self) -> object:
        """What must live as long as graphs that go through it."""
        return self

    def __call__(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs, which know their derivatives by `values`. Raises ValueError for an unknown name."""
        unknown = [name for name in values if name not in self.arguments]
        if unknown:
            raise ValueError(f"'{self.name}' has no input or promoted parameter '{unknown[0]}'")
        numbers = [self.arguments.index(name) for name in values]
        return dict(zip(self.outputs, apply(self.key, numbers, list(values.values())), strict=True))

    def check(self, outputs: Sequence[int], arguments: Sequence[int]) -> None:
        """Raises `error` where the derivative of an output by an argument is not there."""
        for out, given in itertools.product(outputs, arguments):
            pair = (self.outputs[out], self.arguments[given])
            if pair not in self.pairs:
                text = f"the derivative of '{pair[0]}' by '{pair[1]}' is asked for, which '{self.name}' has not"
                raise self.error(f"{text}; {self.remedy.format(*pair)}")


def apply(key: int, numbers: list[int], values: list[Tensor]) -> tuple[Tensor, ...]:
    """The outputs of the compiled function with this key, from the values of arguments by their numbers."""
    if not torch.compiler.is_compiling():
        return _Function.apply(key, _Numbers(numbers), *values)
    if any(v.requires_grad for v in values):
        return _Traced.apply(key, numbers, *values)
    return tuple(forward(key, numbers, values))


def _find(key: int) -> Compiled:
    found = _compiled.get(key)
    if found is None:
        raise RuntimeError("the compiled model of this graph is gone; keep it, or trace the function again")
    return found


def _named(names: Sequence[str], numbers: Sequence[int], values: Tensors) -> dict[str, Tensor]:
    return {names[k]: v.detach() for k, v in zip(numbers, values, strict=True)}


# ---- operators -------------------------------------------------------------------------------------------------------


@torch.library.custom_op("neml2::forward", mutates_args=())
def forward(key: int, numbers: Sequence[int], values: Sequence[Tensor]) -> list[Tensor]:
    c = _find(key)
    with torch.no_grad():
        return _fresh(c.forward(_named(c.arguments, numbers, values)), c.outputs)


@torch.library.custom_op("neml2::jvp", mutates_args=())
def jvp(
    key: int, numbers: Sequence[int], values: Sequence[Tensor], moving: Sequence[int], tangents: Sequence[Tensor]
) -> list[Tensor]:
    c = _find(key)
    c.check(range(len(c.outputs)), moving)
    with torch.no_grad():
        found = c.jvp(_named(c.arguments, numbers, values), _named(c.arguments, moving, tangents))
    return _fresh(found, c.outputs)


@torch.library.custom_op("neml2::vjp", mutates_args=())
def vjp(
    key: int,
    numbers: Sequence[int],
    values: Sequence[Tensor],
    outputs: Sequence[int],
    cotangents: Sequence[Tensor],
    wanted: Sequence[int],
) -> list[Tensor]:
    c = _find(key)
    c.check(outputs, wanted)
    names = [c.arguments[k] for k in wanted]
    with torch.no_grad():
        found = c.vjp(_named(c.arguments, numbers, values), _named(c.outputs, outputs, cotangents), names)
    return _fresh(found, names)


def _fresh(found: Mapping[str, Tensor], names: Sequence[str]) -> list[Tensor]:
    return [found[name] for name in names]


def _batch_shape(c: Compiled, numbers: Sequence[int], values: Tensors) -> torch.Size:
    shapes = [v.shape[: v.ndim - len(c.shapes[k])] for k, v in zip(numbers, values, strict=True)]
    return torch.broadcast_shapes(*shapes, c.rest(frozenset(c.arguments[k] for k in numbers)))


def _like_outputs(c: Compiled, batch: torch.Size, like: Tensor) -> list[Tensor]:
    return [like.new_empty((*batch, *shape)) for shape in c.output_shapes]


@forward.register_fake
def _(key: int, numbers: Any, values: Any) -> list[Tensor]:
    c = _find(key)
    return _like_outputs(c, _batch_shape(c, numbers, values), values[0])


@jvp.register_fake
def _(key: int, numbers: Any, values: Any, moving: Any, tangents: Any) -> list[Tensor]:
    c = _find(key)
    return _like_outputs(c, _batch_shape(c, [*numbers, *moving], [*values, *tangents]), values[0])


@vjp.register_fake
def _(key: int, numbers: Any, values: Any, outputs: Any, cotangents: Any, wanted: Any) -> list[Tensor]:
    return [torch.empty_like(values[list(numbers).index(k)], memory_format=torch.contiguous_format) for k in wanted]


# ---- mapped ----------------------------------------------------------------------------------------------------------
# The axis that is mapped becomes the first one of the batch. So that it stays that, values that have it get as many
# batch axes behind it as the call has.


def _mapped(
    values: Tensors, dims: Sequence[int | None], bases: Sequence[int], batch: int, size: int = 0
) -> list[Tensor]:
    """`bases`: axes of one point. With `size`, values without the mapped axis get one."""
    found = []
    for value, dim, base in zip(values, dims, bases, strict=True):
        if dim is None and not size:
            found.append(value)
            continue
        moved = value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)
        missing = batch - (moved.ndim - 1 - base)
        found.append(moved.reshape(moved.shape[0], *[1] * missing, *moved.shape[1:]))
    return found


def _axes(
    c: Compiled, numbers: Sequence[int], values: Tensors, dims: Sequence[int | None], bases: Sequence[int]
) -> int:
    """Most batch axes, the mapped one not counted."""
    rest = len(c.rest(frozenset(c.arguments[k] for k in numbers)))
    counts = (v.ndim - base - (d is not None) for v, d, base in zip(values, dims, bases, strict=True))
    return max([rest, *counts])


def _bases(shapes: Sequence[tuple[int, ...]], numbers: Sequence[int]) -> list[int]:
    return [len(shapes[k]) for k in numbers]


@forward.register_vmap
def _(info: Any, dims: Any, key: int, numbers: Any, values: Any) -> tuple[list[Tensor], list[int]]:
    c = _find(key)
    bases = _bases(c.shapes, numbers)
    found = forward(key, numbers, _mapped(values, dims[2], bases, _axes(c, numbers, values, dims[2], bases)))
    return found, [0] * len(found)


@jvp.register_vmap
def _(
    info: Any, dims: Any, key: int, numbers: Any, values: Any, moving: Any, tangents: Any
) -> tuple[list[Tensor], list[int]]:
    c = _find(key)
    bases, others = _bases(c.shapes, numbers), _bases(c.shapes, moving)
    batch = max(_axes(c, numbers, values, dims[2], bases), _axes(c, moving, tangents, dims[4], others))
    given = _mapped(values, dims[2], bases, batch)
    found = jvp(key, numbers, given, moving, _mapped(tangents, dims[4], others, batch))
    return found, [0] * len(found)


@vjp.register_vmap
def _(
    info: Any, dims: Any, key: int, numbers: Any, values: Any, outputs: Any, cotangents: Any, wanted: Any
) -> tuple[list[Tensor], list[int]]:
    c = _find(key)
    bases, others = _bases(c.shapes, numbers), _bases(c.output_shapes, outputs)
    batch = _axes(c, numbers, values, dims[2], bases)
    size = info.batch_size  # every argument gets the axis, or its cotangent would be summed over it
    given = _mapped(values, dims[2], bases, batch, size)
    found = vjp(key, numbers, given, outputs, _mapped(cotangents, dims[4], others, batch), wanted)
    shapes = []
    for k in wanted:
        place = list(numbers).index(k)
        value, dim = values[place], dims[2][place]
        shapes.append(value.shape if dim is None else value.movedim(dim, 0).shape[1:])
    return [f.reshape(size, *shape) for f, shape in zip(found, shapes, strict=True)], [0] * len(found)


# ---- autograd --------------------------------------------------------------------------------------------------------


class _Numbers(list[int]):
    """A list that PyTorch's trees of arguments do not take apart."""


class _First(torch.autograd.Function):
    """A derivative that says that it has none, instead of letting it pass for zero."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        raise NotImplementedError(_NO_SECOND)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise NotImplementedError(_NO_SECOND)


class _Cotangents(_First):
    @staticmethod
    def forward(  # type: ignore[override]
        key: int, numbers: _Numbers, outputs: _Numbers, wanted: _Numbers, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        values, cotangents = list(tensors[: len(numbers)]), list(tensors[len(numbers) :])
        return tuple(vjp(key, numbers, values, outputs, cotangents, wanted))


class _Tangents(_First):
    @staticmethod
    def forward(key: int, numbers: _Numbers, moving: _Numbers, *tensors: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        values, tangents = list(tensors[: len(numbers)]), list(tensors[len(numbers) :])
        return tuple(jvp(key, numbers, values, moving, tangents))


_NO_SECOND = (
    "compiled models have first derivatives only; take differences of these, or differentiate the model eagerly"
)


class _Traced(torch.autograd.Function):
    """For torch.compile, which takes no function that has a forward mode."""

    generate_vmap_rule = True

    @staticmethod
    def forward(key: int, numbers: list[int], *values: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return tuple(forward(key, numbers, list(values)))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.key, ctx.numbers = inputs[0], inputs[1]
        ctx.save_for_backward(*inputs[2:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def product(
        key: int, numbers: list[int], values: Tensors, outputs: list[int], cotangents: Tensors, wanted: list[int]
    ) -> Tensors:
        return vjp(key, numbers, list(values), outputs, list(cotangents), wanted)

    @classmethod
    def _handed_back(cls, ctx: Any, cotangents: Sequence[Tensor | None]) -> tuple[Any, ...]:
        values, numbers = ctx.saved_tensors, ctx.numbers
        outputs = [k for k, c in enumerate(cotangents) if c is not None]
        places = [p for p in range(len(values)) if ctx.needs_input_grad[2 + p]]
        found: list[Any] = [None] * len(values)
        if outputs and places:
            given, wanted = [cotangents[k] for k in outputs], [numbers[p] for p in places]
            products = cls.product(ctx.key, numbers, values, outputs, given, wanted)  # type: ignore[arg-type]
            for place, product in zip(places, products, strict=True):
                found[place] = product
        return (None, None, *found)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        return _Traced._handed_back(ctx, cotangents)


class _Function(_Traced):
    @staticmethod
    def product(
        key: int, numbers: list[int], values: Tensors, outputs: list[int], cotangents: Tensors, wanted: list[int]
    ) -> Tensors:
        return _Cotangents.apply(key, numbers, _Numbers(outputs), _Numbers(wanted), *values, *cotangents)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        return _Function._handed_back(ctx, cotangents)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _Traced.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*inputs[2:])
        ctx.owner = _find(ctx.key).owner()  # alive as long as the graph

    @staticmethod
    def jvp(ctx: Any, _key: None, _numbers: None, *tangents: Tensor | None) -> tuple[Tensor, ...]:  # type: ignore[override]
        values, numbers = ctx.saved_tensors, ctx.numbers
        moving = _Numbers(numbers[p] for p, t in enumerate(tangents) if t is not None)
        return _Tangents.apply(ctx.key, numbers, moving, *values, *(t for t in tangents if t is not None))

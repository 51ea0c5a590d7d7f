# SPDX-License-Identifier: MIT
"""Arguments of a call: NumPy arrays or torch tensors, checked against the shapes of one point."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Array = NDArray[Any]


def shape_of(name: str, given: Any) -> Shape:
    """The shape of one point: of a tuple, an int, or a type of neml2.types. Raises TypeError or ValueError."""
    base = getattr(given, "BASE_SHAPE", given)
    axes = (base,) if isinstance(base, int) and not isinstance(base, bool) else base
    if not isinstance(axes, Sequence) or not all(isinstance(n, int) and not isinstance(n, bool) for n in axes):
        raise TypeError(f"'{name}': {given!r} is no shape; expected a tuple of sizes, as (6,) or ()")
    if any(n < 1 for n in axes):
        raise ValueError(f"'{name}': shape {tuple(axes)} holds nothing; expected sizes of 1 or more")
    return tuple(axes)


def bind(function: str, inputs: Mapping[str, Shape], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name. Raises TypeError for missing, unknown and doubled ones."""
    if len(args) == len(inputs) and not kwargs:
        return dict(zip(inputs, args, strict=True))
    takes = f"it takes ({', '.join(inputs)})"
    if len(args) > len(inputs):
        raise TypeError(f"{function}: {len(args)} arguments given; {takes}")
    bound = dict(zip(inputs, args, strict=False))
    for name, value in kwargs.items():
        if name not in inputs:
            from neml2.errors import suggestion

            raise TypeError(f"{function}: no argument '{name}'{suggestion(name, inputs)}; {takes}")
        if name in bound:
            raise TypeError(f"{function}: '{name}' is given twice")
        bound[name] = value
    missing = [name for name in inputs if name not in bound]
    if missing:
        raise TypeError(f"{function}: {', '.join(map(repr, missing))} missing; {takes}")
    return bound


def is_torch(value: Any) -> bool:
    """Whether `value` is a torch tensor or a typed value around one; does not import torch."""
    if type(value) is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(_raw(value), torch.Tensor)


def is_followed(value: Any) -> bool:
    """Whether PyTorch expects something of what is computed from `value`: a gradient, a tangent, a graph."""
    if type(value) is np.ndarray or not is_torch(value):
        return False
    import torch
    from torch._C._functorch import is_functorch_wrapped_tensor

    if torch.compiler.is_compiling():
        return True
    tensor = _raw(value)
    return (tensor.requires_grad and torch.is_grad_enabled()) or is_functorch_wrapped_tensor(tensor) or _is_dual(tensor)


def _raw(value: Any) -> Any:
    return value.data if hasattr(value, "sub_batch_ndim") else value


def as_array(function: str, name: str, value: Any, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """`value` as an array (*batch, *shape). Numbers, lists and integer arrays are converted; arrays of another floating
    type are refused, as are tensors on another device, without memory, or with a gradient to track. Raises ValueError
    or TypeError."""
    if type(value) is np.ndarray and value.dtype == dtype and value.shape[value.ndim - len(shape) :] == shape:
        return value
    array = _from_torch(function, name, _raw(value)) if is_torch(value) else value
    converts = not isinstance(array, (np.ndarray, np.generic))
    array = np.asarray(array)
    if array.dtype.kind in "iu" or (converts and array.dtype.kind == "f"):
        array = array.astype(dtype)
    if array.dtype != dtype:
        raise TypeError(f"{function}: '{name}' has dtype {array.dtype}; expected {dtype}")
    if array.ndim < len(shape) or array.shape[array.ndim - len(shape) :] != shape:
        expected = ", ".join(["*batch", *map(str, shape)])
        raise ValueError(f"{function}: '{name}' has shape {array.shape}; expected ({expected})")
    return array


def _from_torch(function: str, name: str, tensor: Any) -> Array:
    if tensor.device.type != "cpu":
        raise TypeError(f"{function}: '{name}' is on device {tensor.device}; expected cpu")
    if tensor.requires_grad:
        import torch

        if torch.is_grad_enabled():
            raise TypeError(
                f"{function}: '{name}' requires a gradient, which native code does not record; expected "
                f"{name}.detach(), or a call under torch.no_grad()"
            )
        tensor = tensor.detach()
    if _is_dual(tensor):
        raise TypeError(f"{function}: '{name}' is a dual tensor; native code does not carry tangents along")
    try:
        array = tensor.resolve_neg().numpy()
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{function}: '{name}' is no plain tensor: {str(error).splitlines()[0]}") from None
    last = tensor.storage_offset() + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.numel() and tensor.untyped_storage().nbytes() < (last + 1) * tensor.element_size():
        raise ValueError(f"{function}: '{name}' has no memory behind it: its storage was freed or made smaller")
    return array


def _is_dual(tensor: Any) -> bool:
    from torch.autograd import forward_ad

    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None


def check_batch(function: str, arrays: Mapping[str, Array], shapes: Mapping[str, Shape]) -> None:
    """Raises ValueError, with all batch shapes, where they do not broadcast."""
    batches = {name: a.shape[: a.ndim - len(shapes[name])] for name, a in arrays.items()}
    try:
        np.broadcast_shapes(*batches.values())
    except ValueError:
        listed = ", ".join(f"'{name}' {batch}" for name, batch in batches.items() if batch)
        raise ValueError(f"{function}: batch shapes do not broadcast: {listed}") from None

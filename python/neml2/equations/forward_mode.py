# SPDX-License-Identifier: MIT
"""Directional derivatives of functions of many small tensors, with little overhead.

Where an operand of an operation has no tangent, torch takes one without memory (a zero tensor), and works out shapes
and types of what comes of it in Python, which takes a hundred times longer than the operation. So constants get
tangents of real zeros, and numbers go to the operations for numbers, which ask for no tangent. Values are the same,
and so are derivatives wherever a value is finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

_aten = torch.ops.aten
_NAMES = {
    _aten.mul.Scalar: ("mul", "multiply", "__mul__", "__rmul__"),
    _aten.add.Scalar: ("add", "__add__", "__radd__"),
    _aten.sub.Scalar: ("sub", "subtract", "__sub__"),
    _aten.div.Scalar: ("div", "divide", "true_divide", "__truediv__"),
}
_WITH_NUMBER = {
    getattr(home, name): operation
    for operation, names in _NAMES.items()
    for name in names
    for home in (torch, torch.Tensor)
    if hasattr(home, name)
}
"""Functions of two operands as users call them -> the operation whose second operand is a number."""
_LIKE = (torch.ones_like, torch.zeros_like)


def jvp(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, v: torch.Tensor) -> tuple:
    """`function(x)` and its derivative in the direction `v`, as torch.func.jvp, which does it inside transforms."""
    if not _alone():
        return torch.func.jvp(function, (x,), (v,))
    try:
        # a torch.autograd.Function switches forward mode off for its forward, without a word
        with forward_ad._set_fwd_grad_enabled(True), forward_ad.dual_level():
            dual = forward_ad.make_dual(x, v)
            with _Constants():
                value = function(dual)
            primal, tangent = forward_ad.unpack_dual(value)
            return primal, torch.zeros_like(primal) if tangent is None else tangent
    except RuntimeError as error:
        if "forward mode" not in str(error).lower():
            raise
        return torch.func.jvp(function, (x,), (v,))  # the function has a forward mode of its own inside


class _Constants(TorchFunctionMode):
    """Gives tangents of zeros to constants that meet something."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with_number = _WITH_NUMBER.get(function)
        if with_number is not None and len(args) == 2 and not kwargs:
            a, b = args
            if isinstance(a, torch.Tensor):
                if not isinstance(b, torch.Tensor):
                    return with_number(a, b) if isinstance(b, (int, float)) else function(a, b)
                if a.is_floating_point() and b.is_floating_point() and _alone():
                    return function(_dense(a), _dense(b))
        value = function(*args, **kwargs) if kwargs else function(*args)
        return _dense(value) if function in _LIKE and value.is_floating_point() and _alone() else value


def _alone() -> bool:
    """Whether no transform of torch.func is active, in which a tangent is not to be seen."""
    return not torch._C._are_functorch_transforms_active()


def _dense(x: torch.Tensor) -> torch.Tensor:
    """x with a tangent of real numbers."""
    primal, tangent = torch._VF._unpack_dual(x, level=0)
    if tangent is not None and not tangent._is_zerotensor():
        return x
    own = primal.clone()  # the tangent of a view would be one of what it is a view of
    return torch._VF._make_dual(own, torch.zeros_like(own), level=0)

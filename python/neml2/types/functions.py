# SPDX-License-Identifier: MIT
"""Elementwise functions. They act on every stored component and keep the type."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from ._align import aligned, lift, pad_base
from ._wrapper import TensorWrapper, combine

W = TypeVar("W", bound=TensorWrapper)


def _elementwise(op: Callable[[torch.Tensor], torch.Tensor], name: str, doc: str) -> Callable[[W], W]:
    def function(a: W) -> W:
        if not isinstance(a, TensorWrapper):
            raise TypeError(f"{name} takes a typed value such as a Scalar, not a {type(a).__name__}")
        return a._make(op(a.data), a.sub_batch_ndim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


abs = _elementwise(torch.abs, "abs", "Magnitude; derivative 0 at 0.")
sign = _elementwise(torch.sign, "sign", "-1, 0 or 1; derivative 0.")
sqrt = _elementwise(torch.sqrt, "sqrt", "Square root; the derivative is infinite at 0.")
exp = _elementwise(torch.exp, "exp", "Exponential.")
log = _elementwise(torch.log, "log", "Natural logarithm.")
log10 = _elementwise(torch.log10, "log10", "Logarithm to base ten.")
sin = _elementwise(torch.sin, "sin", "Sine.")
cos = _elementwise(torch.cos, "cos", "Cosine.")
tan = _elementwise(torch.tan, "tan", "Tangent.")
asin = _elementwise(torch.asin, "asin", "Inverse sine.")
acos = _elementwise(torch.acos, "acos", "Inverse cosine.")
atan = _elementwise(torch.atan, "atan", "Inverse tangent.")
sinh = _elementwise(torch.sinh, "sinh", "Hyperbolic sine.")
cosh = _elementwise(torch.cosh, "cosh", "Hyperbolic cosine.")
tanh = _elementwise(torch.tanh, "tanh", "Hyperbolic tangent.")
reciprocal = _elementwise(torch.reciprocal, "reciprocal", "One over the value.")
heaviside = _elementwise(lambda x: (torch.sign(x) + 1.0) / 2.0, "heaviside", "(sign(a) + 1)/2, one half at 0.")
macaulay = _elementwise(
    lambda x: x * (torch.sign(x) + 1.0) / 2.0,
    "macaulay",
    "a (sign(a) + 1)/2, the positive part; derivative 1/2 at 0.",
)


def pow(a: Any, b: Any) -> Any:
    """``a ** b`` with a number or a Scalar as exponent.

    With a Scalar exponent, both derivatives are finite where the base is zero: that to the exponent is 0,
    that to the base is 1 for an exponent of one and 0 otherwise.
    """
    if not isinstance(b, TensorWrapper):
        return a._make(torch.pow(a.data, b), a.sub_batch_ndim)
    if not isinstance(a, TensorWrapper):
        return b._make(torch.pow(a, b.data), b.sub_batch_ndim)
    x, y, n = aligned(a, b)
    return a._make(_pow(x, pad_base(y, a.base_ndim)), n)


def _pow(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # 0 ** y is spelt out, so that log(0) and 0 ** (y - 1) appear in no derivative, of any order.
    zero = x == 0.0
    other = torch.where(y < 0.0, float("inf"), torch.where(y == 0.0, 1.0, torch.zeros_like(x)))
    at_zero = torch.where(y == 1.0, x, other)
    return torch.where(zero, at_zero, torch.pow(torch.where(zero, 1.0, x), y))


def opaque_pow(a: Any, b: Any) -> Any:
    """Same as `pow`."""
    return pow(a, b)


def clamp(a: W, lo: Any = None, hi: Any = None) -> W:
    """Limit to ``[lo, hi]``, numbers or Scalars; the derivative to `a` is 1 inside and 0 outside."""
    if not isinstance(lo, TensorWrapper) and not isinstance(hi, TensorWrapper):
        return a._make(torch.clamp(a.data, lo, hi), a.sub_batch_ndim)
    if lo is not None:
        a = combine(torch.maximum, a, _operand(lo, a))
    if hi is not None:
        a = combine(torch.minimum, a, _operand(hi, a))
    return a


def _operand(value: Any, like: TensorWrapper) -> Any:
    if isinstance(value, TensorWrapper):
        return value
    return torch.tensor(value, dtype=like.dtype, device=like.device)


def gt(a: Any, b: Any) -> Any:
    """``a > b`` per component, as a value of booleans to give to `where`."""
    return _compare(operator.gt, operator.lt, a, b)


def lt(a: Any, b: Any) -> Any:
    """``a < b`` per component, as a value of booleans to give to `where`."""
    return _compare(operator.lt, operator.gt, a, b)


def _compare(op: Callable[..., torch.Tensor], mirrored: Callable[..., torch.Tensor], a: Any, b: Any) -> Any:
    out = combine(op, a, b) if isinstance(a, TensorWrapper) else combine(mirrored, b, a)
    if out is NotImplemented:
        raise TypeError(f"cannot compare a {type(a).__name__} with a {type(b).__name__}")
    return out


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where `condition` holds, `b` elsewhere.

    Args:
        condition: boolean Scalar (one decision per value), boolean value of the type of `a` (one per
            component) or a raw boolean tensor that broadcasts against the data.
        a, b: values of one type, of which one may be a Scalar or a number.

    Both branches are evaluated; a branch that is not finite where it is not taken poisons derivatives, so
    keep its argument in range with an inner `where`.
    """
    typed = [v for v in (a, b, condition) if isinstance(v, TensorWrapper)]
    if not typed:
        raise TypeError("where takes at least one typed value; use torch.where for raw tensors")
    result = next((v for v in typed if not v.is_scalar), typed[0])
    for v in typed:
        if not v.is_scalar and type(v) is not type(result):
            raise TypeError(f"where cannot combine a {type(result).__name__} with a {type(v).__name__}")
    n = max(v.sub_batch_ndim for v in typed)

    def data(v: Any) -> Any:
        if not isinstance(v, TensorWrapper):
            return v
        x = lift(v.data, v.base_ndim, v.sub_batch_ndim, n)
        return pad_base(x, result.base_ndim) if v.is_scalar else x

    return result._make(torch.where(data(condition), data(a), data(b)), n)

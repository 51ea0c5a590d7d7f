# SPDX-License-Identifier: MIT
"""Options of drivers that pair variable names with values: `<prefix>_<T>_names`, `<prefix>_<T>_values`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ..errors import TensorError, listing
from ..hit import HitObject
from ..types import MRP, R2, SR2, SSR4, WR2, MillerIndex, Scalar, TensorWrapper, Vec

TYPES: dict[str, Any] = {T.__name__: T for T in (Scalar, Vec, SR2, WR2, R2, MRP, SSR4, MillerIndex)}


def renamed(model: Any, name: str) -> str:
    """What to say of a name of the input file that is another one in the compiled model; empty for all others."""
    new = getattr(model, "renamed", {}).get(name)
    return f"; '{name}' is called '{new}' in the compiled model" if new else ""


def named_values(
    driver: HitObject,
    prefix: str,
    names: Mapping[str, Iterable[str]],
    values: Mapping[str, Iterable[Any]],
) -> dict[str, TensorWrapper]:
    """Typed values by variable name. A value is the name of a [Tensors] block, or a number for a Scalar; from Python
    also a tensor.

    Raises InvalidOption for lists of different length and names given twice, TensorError for a wrong type.
    """
    found: dict[str, TensorWrapper] = {}
    for kind in names:
        keys, tokens = list(names[kind]), list(values[kind])
        option = f"{prefix}_{kind}_names".lstrip("_")
        if len(keys) != len(tokens):
            text = f"{len(keys)} names, but {len(tokens)} values in '{f'{prefix}_{kind}_values'.lstrip('_')}'"
            raise driver.error(text, option if keys else f"{prefix}_{kind}_values".lstrip("_"))
        for key, token in zip(keys, tokens, strict=True):
            if key in found:
                raise driver.error(f"'{key}' is given twice", option)
            found[key] = typed_value(driver, token, TYPES[kind], f"{prefix}_{kind}_values".lstrip("_"))
    return found


def typed_value(driver: HitObject, token: Any, T: Any, option: str) -> TensorWrapper:
    """What a token of an option stands for, as a `T`."""
    if isinstance(token, T):
        return token
    if isinstance(token, TensorWrapper):
        raise driver.error(f"expected a {T.__name__}, got a {type(token).__name__}", option, TensorError)
    if isinstance(token, str) and driver.source is not None:
        return driver.source.typed_tensor(token, T, driver.where(option))
    if isinstance(token, str):
        raise driver.error(f"'{token}' names a [Tensors] block, but there is no input file", option, TensorError)
    return T(torch.as_tensor(token, dtype=None if isinstance(token, torch.Tensor) else torch.float64))


def with_declared_sub_batch(
    driver: HitObject, name: str, value: TensorWrapper, option: str = "", leading: int = 0
) -> TensorWrapper:
    """`value` with the sub-batch shape [Settings] declares for `name`; axes of size 1 and values without batch axes
    are expanded. `leading` batch axes (the steps) are no part of it.

    Raises InvalidOption where value and declaration contradict each other.
    """
    declared = driver.source.settings.sub_batch_shape(name) if driver.source is not None else None
    if declared is None:
        return value
    own, rank = value.batch_shape[leading:], len(declared)
    text = f"'{name}' is declared in [Settings] with sub-batch shape {declared}, but its value has "
    if value.sub_batch_ndim not in (0, rank):
        raise driver.error(text + f"sub-batch shape {value.sub_batch_shape}", option)
    if own and len(own) < rank:
        raise driver.error(text + f"batch shape {own}", option)
    sites = own[len(own) - rank :] if own else ()
    if any(n not in (1, m) for n, m in zip(sites, declared, strict=False)):
        raise driver.error(text + f"batch shape {own}", option)
    shape = value.data.shape
    head = shape[: len(shape) - value.base_ndim - len(sites)]
    base = shape[len(shape) - value.base_ndim :]
    data = value.data.reshape((*head, *(1,) * (rank - len(sites)), *sites, *base))
    return type(value)(data.expand(*head, *declared, *base), sub_batch_ndim=rank)


def check_numbers(driver: HitObject, name: str, value: TensorWrapper, option: str, steps: bool = False) -> None:
    """Raises InvalidOption for a value that is no number somewhere; `steps`: its first axis counts steps."""
    lost = torch.isnan(value.data.detach()) if value.data.is_floating_point() else None
    if lost is None or not lost.any():
        return
    lost = lost.reshape(*value.batch_shape, -1).any(-1)
    places = torch.nonzero(lost.reshape(lost.shape[0], -1) if steps else lost.reshape(1, -1)).tolist()
    step = places[0][0]
    points = [str(point) for row, point in places if row == step]
    text = f" at step {step}" if steps else ""
    text += f", points {listing(points, 4)} of {lost[0].numel()}" if steps and lost.ndim > 1 else ""
    text += f" at points {listing(points, 4)} of {lost.numel()}" if not steps and lost.ndim else ""
    raise driver.error(f"the value of '{name}' is NaN{text}; expected numbers", option)

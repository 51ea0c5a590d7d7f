# SPDX-License-Identifier: MIT
"""How the value of a parameter option is found: numbers, a tensor, the output of a model, a variable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..errors import InvalidOption, Where, listing, suggestion
from ..hit.tensors import as_number, as_typed
from ..types import TensorWrapper
from .declarations import ParameterEntry, Token

if TYPE_CHECKING:
    from ..hit.input_file import InputFile
    from .base import Model


@dataclass(frozen=True)
class Stored:
    """A parameter the model owns."""

    name: str
    type: type
    sub_batch_ndim: int


@dataclass(frozen=True)
class Promoted:
    """A parameter that is an input variable; `provider` is the model that computes it, if one is named."""

    name: str
    type: type
    variable: str
    provider: Model | None = None


def resolve(entry: ParameterEntry, source: InputFile | None, where: Where) -> TensorWrapper | Promoted:
    """The value of a parameter, or the input it becomes. Raises InvalidOption (a ValueError)."""
    value = _found(entry, source, where)
    if isinstance(entry.value, Token) and isinstance(value, TensorWrapper) and value.data.isnan().any():
        raise InvalidOption(f"'{entry.value.text}' holds NaN, expected numbers", entry.value.where)
    return _tabulated(value, entry, where) if isinstance(value, TensorWrapper) else value


def _tabulated(value: TensorWrapper, entry: ParameterEntry, where: Where) -> TensorWrapper:
    """`value` with its table axes tagged as sub-batch, since they belong to one point."""
    if entry.uniform and value.batch_ndim == 0:
        return value
    if value.batch_ndim < entry.table_axes:
        axes = f"{entry.table_axes} {'axes' if entry.table_axes > 1 else 'axis'}"
        raise InvalidOption(
            f"expected a table of {entry.type.__name__} values over {axes}, got shape {tuple(value.shape)}",
            entry.value.where if isinstance(entry.value, Token) else where,
        )
    return value.with_sub_batch_ndim(max(value.sub_batch_ndim, entry.table_axes)) if entry.table_axes else value


def _found(entry: ParameterEntry, source: InputFile | None, where: Where) -> TensorWrapper | Promoted:
    value = entry.value
    if isinstance(value, Token):
        value, where = value.text, value.where
    elif not isinstance(value, str):
        return _from_python(value, entry.type, where)
    words = value.split()
    numbers = [as_number(word) for word in words]
    if words and all(number is not None for number in numbers):
        return _literal(numbers, entry.type, where)
    if len(words) != 1:
        raise InvalidOption(f"'{value}' is {_expected(entry)}", where)
    (token,) = words
    if source is not None and source.has("Tensors", token):
        typed = as_typed(source.get("Tensors", token, where), entry.type, token, where)
        return typed.to(torch.float64)
    if not entry.promotable:
        known = source.names("Tensors") if source is not None else []
        raise InvalidOption(f"'{token}' is {_expected(entry)}{suggestion(token, known)}", where)
    return _promoted(token, entry, source, where)


def _expected(entry: ParameterEntry) -> str:
    kinds = "neither numbers nor the name of a [Tensors] block"
    return kinds + (", nor one model output or variable" if entry.promotable else "; this parameter can be no variable")


def _literal(numbers: list[float | None], cls: Any, where: Where) -> TensorWrapper:
    base = tuple(cls.BASE_SHAPE)
    data = torch.tensor(numbers[0] if len(numbers) == 1 and not base else numbers, dtype=torch.float64)
    if len(base) > 1 and data.numel() == math.prod(base):
        data = data.reshape(base)
    if base and tuple(data.shape) != base:
        text = f"{cls.__name__} needs {math.prod(base)} numbers, {len(numbers)} are given"
        raise InvalidOption(text, where)
    return cls(data)


def _from_python(value: Any, cls: Any, where: Where) -> TensorWrapper:
    if isinstance(value, TensorWrapper) and not isinstance(value, cls):
        raise InvalidOption(f"expected {cls.__name__}, got {type(value).__name__}", where)
    typed = value if isinstance(value, cls) else cls(torch.as_tensor(value, dtype=torch.float64))
    return typed.to(torch.float64)


def _promoted(token: str, entry: ParameterEntry, source: InputFile | None, where: Where) -> Promoted:
    head, _, variable = token.partition(".")
    if "." in variable:
        raise InvalidOption(f"'{token}' has more than one dot; expected 'model' or 'model.variable'", where)
    if source is None or (not variable and not source.has("Models", head)):
        if source is not None:
            source.warn_if_suspicious(token, where)
        return Promoted(entry.name, entry.type, token)
    if not source.has("Models", head):
        hint = suggestion(head, source.names("Models"))
        raise InvalidOption(f"'{token}' names no block of [Models]{hint}", where)
    provider = source.get("Models", head, where)
    outputs = provider.output_spec
    if not variable:
        if len(outputs) != 1:
            text = f"'{head}' has {len(outputs)} outputs; write '{head}.' and one of {listing(outputs)}"
            raise InvalidOption(text, where)
        (variable,) = outputs
    if variable not in outputs:
        hint = suggestion(variable, outputs) or f"; it has: {listing(outputs)}"
        raise InvalidOption(f"model '{head}' has no output '{variable}'{hint}", where)
    if outputs[variable] is not entry.type:
        text = f"'{token}' is a {outputs[variable].__name__}; expected {entry.type.__name__}"
        raise InvalidOption(text, where)
    return Promoted(entry.name, entry.type, variable, provider)

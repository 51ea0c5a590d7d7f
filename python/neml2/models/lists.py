# SPDX-License-Identifier: MIT
"""Options that are parallel lists, and sums over them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from ..types import Scalar

if TYPE_CHECKING:
    from .base import Model


def total(terms: Iterable[Scalar]) -> Scalar:
    """Their sum; there is at least one."""
    return reduce(add, terms)


def require_equal_lengths(model: Model, first: str, *others: str) -> None:
    """Raise InvalidOption unless the lists of variables or parameters that these options give have the same length,
    and at least one entry."""
    lengths = {variable.attribute: len(variable.names) for variable in model._inputs}
    lengths |= {declaration.attribute: len(slots) for declaration, slots in model._parameter_slots}
    if lengths[first] == 0:
        raise model.error("expected at least one entry", first)
    for option in others:
        if lengths[option] != lengths[first]:
            entries = "entry" if lengths[first] == 1 else "entries"
            text = f"expected {lengths[first]} {entries}, one for each of '{first}', got {lengths[option]}"
            raise model.error(text, option)

# SPDX-License-Identifier: MIT
"""The [Settings] section: what a file declares about its variables' batch shapes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import InvalidOption, Where
from .document import Block

KNOWN = ("example_batch_shape", "dynamic_batch")
_SHAPE = re.compile(r"\s*\((?P<dyn>[^;()]*)(?P<sub>;[^;()]*)?\)\s*")
_BOOL = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True)
class BatchShape:
    """`dynamic`: a hint for compiling. `sub_batch`: the declared sub-batch shape, None where none is
    declared."""

    dynamic: tuple[int, ...]
    sub_batch: tuple[int, ...] | None = None


class Settings:
    """`batch_shapes`: one BatchShape for each declared variable. `uniform`: one for all. `dynamic_batch`:
    or None."""

    def __init__(self, block: Block | None) -> None:
        self.batch_shapes: dict[str, BatchShape] = {}
        self.uniform: BatchShape | None = None
        self.dynamic_batch: bool | None = None
        self.where: dict[str, Where] = {}
        if block is not None:
            self._read(block)

    def _read(self, block: Block) -> None:
        fields = block.fields()
        nested = block.blocks().get("example_batch_shape")
        uniform = fields.get("example_batch_shape")
        if nested is not None and uniform is not None:
            text = "give either one value for all variables or a sub-section with one line for each, not both"
            raise InvalidOption(text, uniform.where)
        if uniform is not None:
            self.uniform = parse_batch_shape(uniform.text(), uniform.where)
        if nested is not None:
            for name, field in nested.fields().items():
                self.batch_shapes[name] = parse_batch_shape(field.text(), field.where)
                self.where[name] = field.where
            self._check_lags()
        if "dynamic_batch" in fields:
            field = fields["dynamic_batch"]
            word = field.text().strip().lower()
            if word not in _BOOL:
                raise InvalidOption(f"'{word}' is not one of {', '.join(_BOOL)}", field.where)
            self.dynamic_batch = _BOOL[word]

    def _check_lags(self) -> None:
        first: dict[str, str] = {}
        for name, shape in self.batch_shapes.items():
            other = first.setdefault(base_name(name), name)
            if self.batch_shapes[other] != shape:
                text = f"'{name}' is declared unlike '{other}', which is the same variable at another step"
                raise InvalidOption(text, self.where[name])

    def batch_shape(self, variable: str) -> BatchShape | None:
        """What is declared for a variable: under its name, its base name, another lag, or for all
        variables."""
        base = base_name(variable)
        for name in (variable, base):
            if name in self.batch_shapes:
                return self.batch_shapes[name]
        for name, shape in self.batch_shapes.items():
            if base_name(name) == base:
                return shape
        return self.uniform

    def sub_batch_shape(self, variable: str) -> tuple[int, ...] | None:
        """The declared sub-batch shape of a variable, or None."""
        shape = self.batch_shape(variable)
        return None if shape is None else shape.sub_batch


def base_name(variable: str) -> str:
    """`strain` for `strain~1`."""
    head, _, lag = variable.rpartition("~")
    return head if head and lag.isdigit() else variable


def lag(variable: str) -> int:
    """How many steps ago: 1 for `strain~1`, 0 for `strain`."""
    head, _, steps = variable.rpartition("~")
    return int(steps) if head and steps.isdigit() else 0


def parse_batch_shape(text: str, where: Where | None = None) -> BatchShape:
    """Read `(dyn)` or `(dyn; sub)`. Raises InvalidOption."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        form = "'(n, m)' or '(n, m; k)', with parentheses"
        raise InvalidOption(f"'{text}' is no batch shape; expected {form}", where)
    sub = match["sub"]
    return BatchShape(_sizes(match["dyn"], text, where), None if sub is None else _sizes(sub[1:], text, where))


def _sizes(part: str, text: str, where: Where | None) -> tuple[int, ...]:
    items = [item.strip() for item in part.split(",")]
    if items[-1] == "":
        items.pop()  # a trailing comma, or nothing at all
    for item in items:
        if not re.fullmatch(r"\d+", item):
            raise InvalidOption(f"'{item}' in '{text}' is not a non-negative integer", where)
    return tuple(int(item) for item in items)

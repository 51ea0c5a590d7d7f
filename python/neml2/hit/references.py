# SPDX-License-Identifier: MIT
"""`${...}` in values: found to end before the parser expands it, which recurses without a limit."""

from __future__ import annotations

import os
import re
from typing import NoReturn

import nmhit

from ..errors import BadValue, CircularReference, Where

MAX_DEPTH = 64
"""References through references, and braces within braces."""

MAX_SIZE = 1_000_000
"""Characters of what a value expands to, and ten times the references followed for it."""

_INNERMOST = re.compile(r"\$\{([^${}]*)\}")


def check(node: nmhit.Field, where: Where) -> None:
    """Raises CircularReference where the value of a field refers to itself, BadValue where it refers to nothing or
    expands to too much."""
    if "${" in node.raw_val():
        _Expansion(node.root_node(), where).field(node, ())


class _Expansion:
    def __init__(self, root: nmhit.Root, where: Where) -> None:
        self.root, self.where = root, where
        self.known: dict[str, tuple[str, int]] = {}  # by path: the value, and how many references the parser follows

    def fail(self, text: str) -> NoReturn:
        raise BadValue(text, self.where)

    def field(self, node: nmhit.Field, chain: tuple[str, ...]) -> tuple[str, int]:
        path = node.fullpath()
        if path in chain:
            ring = " -> ".join([*chain[chain.index(path) :], path])
            raise CircularReference(f"the value refers to itself: {ring}", self.where)
        if len(chain) > MAX_DEPTH:
            self.fail(f"references through more than {MAX_DEPTH} others")
        if path not in self.known:
            self.known[path] = self._expanded(node.raw_val(), (*chain, path))
        return self.known[path]

    def _expanded(self, text: str, chain: tuple[str, ...]) -> tuple[str, int]:
        """The text, innermost braces first, and its price."""
        price = 1
        for _ in range(MAX_DEPTH):
            parts, end = [], 0
            for match in _INNERMOST.finditer(text):
                value, cost = self._value(match[1], chain)
                # what comes from outside is not looked at again
                parts += [text[end : match.start()], re.sub(r"[${}]", "", value)]
                end = match.end()
                price += cost
            if not parts:
                return text.strip("'\""), price
            text = "".join(parts) + text[end:]
            if len(text) > MAX_SIZE or price > MAX_SIZE // 10:
                self.fail(f"expands to more than {MAX_SIZE} characters or {MAX_SIZE // 10} references")
        self.fail(f"braces nested more than {MAX_DEPTH} deep")

    def _value(self, inner: str, chain: tuple[str, ...]) -> tuple[str, int]:
        command, *words = inner.split() or [""]
        if command == "env" and words:
            return os.environ.get(words[0], ""), 1
        if command == "raw":
            return "".join(words), 1
        name = words[0] if command == "replace" and words else inner.strip()
        node = self.root.find(name) if name else None
        if node is None:
            self.fail(_no_value(name))
        if node.type() != nmhit.NodeType.Field:
            self.fail(f"'${{{name}}}' names a block, which has no value")
        return self.field(node, chain)


def _no_value(name: str) -> str:
    text = f"'${{{name}}}' has no value: no parameter '{name}' found in the file"
    if not name or "/" in name or not name.isidentifier():
        return text
    return f"{text}; give one by appending '{name}=VALUE' to the command, or with pre=['{name}=VALUE'] in Python"

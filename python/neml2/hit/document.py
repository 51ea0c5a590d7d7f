# SPDX-License-Identifier: MIT
"""Access to a parsed input file: blocks and fields that know where they stand.

The text is put together by `text` and parsed by `nmhit`; this module adds what they leave open: overrides that reach a
block in any of several repeated sections, blocks that are defined twice, and errors with a place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nmhit

from ..errors import BadValue, InputSyntaxError, MissingOption, Where
from . import references
from .registry import REGISTRIES
from .text import Entry, compose, read

SETTINGS = "Settings"


class Field:
    """One `name = value`."""

    def __init__(self, document: Document, node: nmhit.Field, block: str) -> None:
        self.node = node
        self.name: str = node.path()
        self.where = document.where(node, block, self.name)

    def _read(self, accessor: str, kind: str) -> Any:
        references.check(self.node, self.where)
        try:
            return getattr(self.node, accessor)()
        except nmhit.Error as error:
            raise BadValue(f"expected {kind}: {error}", self.where) from None

    def text(self) -> str:
        return self._read("param_str", "text")

    def tokens(self) -> list[str]:
        return self._read("param_list_str", "a list")

    def read(self, kind: Any) -> Any:
        """The value as `kind`: bool, int, float, str, a `list[...]` of these, or a list of lists."""
        accessor, words = KINDS[kind]
        return self._read(accessor, words)


KINDS: dict[Any, tuple[str, str]] = {
    bool: ("param_bool", "true or false"),
    int: ("param_int", "an integer"),
    float: ("param_float", "a number"),
    str: ("param_str", "text"),
    list[bool]: ("param_list_bool", "a list of true and false"),
    list[int]: ("param_list_int", "a list of integers"),
    list[float]: ("param_list_float", "a list of numbers"),
    list[str]: ("param_list_str", "a list"),
    list[list[int]]: ("param_list_list_int", "rows of integers"),
    list[list[float]]: ("param_list_list_float", "rows of numbers"),
    list[list[str]]: ("param_list_list_str", "rows of words"),
}


class Block:
    """One `[name] ... []` with its own fields; blocks nested in it are reached through `blocks()`."""

    def __init__(self, document: Document, node: nmhit.Node, path: str) -> None:
        self.document = document
        self.node = node
        self.path = path
        self.name: str = node.path()
        self.where = document.where(node, path)

    def fields(self) -> dict[str, Field]:
        nodes = self.node.children(nmhit.NodeType.Field)
        return {node.path(): Field(self.document, node, self.path) for node in nodes}

    def field(self, name: str) -> Field | None:
        return self.fields().get(name)

    def require(self, name: str) -> Field:
        found = self.field(name)
        if found is None:
            raise MissingOption(f"option '{name}' is required", self.where)
        return found

    def blocks(self) -> dict[str, Block]:
        """Nested blocks by name."""
        found: dict[str, Block] = {}
        for node in self.node.children(nmhit.NodeType.Section):
            found.setdefault(node.path(), Block(self.document, node, f"{self.path}/{node.path()}"))
        return found

    def __deepcopy__(self, memo: dict) -> Block:
        return self


class Document:
    """A parsed input file, `pre` snippets before and `post` snippets after it, as one document."""

    def __init__(self, text: str, name: str, pre: Sequence[str], post: Sequence[str]) -> None:
        self.name = name
        self.text = compose(text, name, Path(name).parent, pre, post)
        self._entries = {(e.line, e.path): e for e in self.text.entries}
        try:
            self.root: nmhit.Root = nmhit.parse_text(str(self.text))
        except nmhit.Error as error:
            raise self._syntax_error(error) from None
        except UnicodeDecodeError:  # the parser's message holds one byte of a character
            raise self._unexpected_character() from None
        self._apply_overrides()

    @classmethod
    def from_file(cls, path: str | os.PathLike, pre: Sequence[str] = (), post: Sequence[str] = ()) -> Document:
        """Parse the file at `path`. Raises FileNotFoundError, or InputSyntaxError for text that is not
        HIT."""
        return cls(read(Path(path)), str(Path(path)), pre, post)

    @classmethod
    def from_text(
        cls, text: str, name: str = "<string>", pre: Sequence[str] = (), post: Sequence[str] = ()
    ) -> Document:
        """Parse `text`; `name` stands for the file in messages."""
        return cls(text, name, pre, post)

    # -- places ----------------------------------------------------------------------------------------------

    def where(self, node: nmhit.Node, block: str = "", option: str = "") -> Where:
        return self.text.where(node.line(), block, option)

    def _entry(self, node: nmhit.Node) -> Entry | None:
        """How a block or field was written; None for a block that stands only in the paths of others."""
        return self._entries.get((node.line(), node.fullpath()))

    def _is_override(self, node: nmhit.Node) -> bool:
        entry = self._entry(node)
        return entry is not None and entry.operator == ":="

    def _is_header(self, node: nmhit.Node) -> bool:
        entry = self._entry(node)
        return entry is not None and entry.operator == "[]"

    def _syntax_error(self, error: nmhit.Error) -> InputSyntaxError:
        messages = getattr(error, "messages", None) or []
        if not messages:
            return InputSyntaxError(str(error), Where(self.name))
        line = messages[0].line
        texts = list(dict.fromkeys(m.message for m in messages))
        if texts[0].startswith("duplicate field"):
            here = [e for e in self.text.entries if e.line == line and e.path.endswith(texts[0].split("'")[1])]
            first = [e for e in self.text.entries if here and e.path == here[0].path and e.line < line]
            texts[0] += f" (it stands at {self.text.where(first[-1].line)})" if first else ""
        return InputSyntaxError("; ".join(texts), self.text.where(line))

    def _unexpected_character(self) -> InputSyntaxError:
        for number, line in enumerate(self.text.lines, 1):
            odd = next((c for c in line.text.partition("#")[0] if not c.isascii()), None)
            if odd is not None:
                return InputSyntaxError(f"unexpected character '{odd}' (U+{ord(odd):04X})", self.text.where(number))
        return InputSyntaxError("unexpected character", Where(self.name))

    # -- sections --------------------------------------------------------------------------------------------

    def section_names(self) -> list[str]:
        """The names of top-level blocks, each once, in file order."""
        return list(dict.fromkeys(node.path() for node in self.root.children(nmhit.NodeType.Section)))

    def sections(self, name: str) -> Iterator[Block]:
        """Every top-level block called `name`, in file order."""
        for node in self.root.children(nmhit.NodeType.Section):
            if node.path() == name:
                yield Block(self, node, name)

    def blocks(self, section: str) -> dict[str, Block]:
        """The blocks of all sections called `section`. What stands in later parts of a block overrides the first."""
        found: dict[str, Block] = {}
        for part in self.sections(section):
            for name, block in part.blocks().items():
                found.setdefault(name, block)
        return found

    def _apply_overrides(self) -> None:
        """Put fields that override a block of an earlier repeated section into it. Raises InputSyntaxError for a
        block that is defined twice.

        The parser puts `Models/a/v := 1` into the last [Models] section even where an earlier one holds `a`.
        """
        self.merged: list[nmhit.Node] = []  # blocks that have given their fields away
        first: dict[tuple[str, str], nmhit.Node] = {}
        for section in self.root.children(nmhit.NodeType.Section):
            if section.path() not in (*REGISTRIES, SETTINGS):
                continue
            if section.path() == SETTINGS and first.setdefault((SETTINGS, ""), section) is not section:
                raise self._defined_twice(first[SETTINGS, ""], section, SETTINGS)
            for node in section.children(nmhit.NodeType.Section):
                target = first.setdefault((section.path(), node.path()), node)
                if target is not node:
                    self._merge(target, node, f"{section.path()}/{node.path()}")
                self._check_once(node, f"{section.path()}/{node.path()}")

    def _merge(self, target: nmhit.Node, source: nmhit.Node, path: str) -> None:
        fields = source.children(nmhit.NodeType.Field)
        if self._is_header(source) and not (fields and all(map(self._is_override, fields))):
            raise self._defined_twice(target, source, path)
        for field in fields:
            # no reference may be held to a node that is removed
            old = {f.path(): self.where(f) for f in target.children(nmhit.NodeType.Field)}.get(field.path())
            if old is not None:
                if not self._is_override(field):
                    text = f"duplicate field '{field.path()}': use ':=' to override (it stands at {old})"
                    raise InputSyntaxError(text, self.where(field, path))
                target.remove_child(field.path())
            target.add_child(field.clone())
        self.merged.append(source)

    def _check_once(self, node: nmhit.Node, path: str) -> None:
        first: dict[str, nmhit.Node] = {}
        for nested in node.children(nmhit.NodeType.Section):
            inner = f"{path}/{nested.path()}"
            other = first.setdefault(nested.path(), nested)
            if other is not nested:
                raise self._defined_twice(other, nested, inner)
            self._check_once(nested, inner)

    def _defined_twice(self, first: nmhit.Node, second: nmhit.Node, path: str) -> InputSyntaxError:
        text = f"the block is defined twice; the first stands at {self.where(first)}"
        return InputSyntaxError(f"{text}. Rename one, or override options with ':='", self.where(second, path))

    def __deepcopy__(self, memo: dict) -> Document:
        return self

# SPDX-License-Identifier: MIT
"""Access to a parsed input file: blocks and fields that know where they stand.

The text is parsed by `nmhit`; this module adds what it leaves open: line numbers that count from the first
line of the file whatever is put before it, overrides that reach a block in any of several repeated
sections, and errors with a place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nmhit

from ..errors import BadValue, InputSyntaxError, MissingOption, Where

_OVERRIDE = re.compile(r"\s*:\s*(override\s*)?=")


class Field:
    """One `name = value`."""

    def __init__(self, document: Document, node: nmhit.Field, block: str) -> None:
        self.node = node
        self.name: str = node.path()
        self.where = document.where(node, block, self.name)

    def _read(self, accessor: str, kind: str) -> Any:
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
        nodes = {node.path(): node for node in self.node.children(nmhit.NodeType.Field)}
        nodes.update(self.document.overrides.get(self.path, {}))
        return {name: Field(self.document, node, self.path) for name, node in nodes.items()}

    def field(self, name: str) -> Field | None:
        return self.fields().get(name)

    def require(self, name: str) -> Field:
        found = self.field(name)
        if found is None:
            raise MissingOption(f"option '{name}' is required", self.where)
        return found

    def blocks(self) -> dict[str, Block]:
        """Nested blocks by name; the first one of a name counts."""
        found: dict[str, Block] = {}
        for node in self.node.children(nmhit.NodeType.Section):
            found.setdefault(node.path(), Block(self.document, node, f"{self.path}/{node.path()}"))
        return found

    def __deepcopy__(self, memo: dict) -> Block:
        return self


class Document:
    """A parsed input file, `pre` snippets before and `post` snippets after it, as one document."""

    def __init__(self, text: str, name: str, pre: Sequence[str], post: Sequence[str], parse: Callable) -> None:
        self.name = name
        self._pre_lines = sum(snippet.count("\n") + 1 for snippet in pre)
        self._file_lines = text.count("\n") + 1
        self._lines = "\n".join([*pre, text, *post]).split("\n")
        try:
            self.root: nmhit.Root = parse(list(pre), list(post))
        except nmhit.Error as error:
            raise self._syntax_error(error) from None
        self._apply_overrides()

    @classmethod
    def from_file(cls, path: str | os.PathLike, pre: Sequence[str] = (), post: Sequence[str] = ()) -> Document:
        """Parse the file at `path`. Raises FileNotFoundError, or InputSyntaxError for text that is not
        HIT."""
        path = Path(path)
        if not path.is_file():
            what = "is a folder, not an input file" if path.is_dir() else "no such input file"
            raise FileNotFoundError(f"{path}: {what}")
        text = path.read_text(encoding="utf-8", errors="replace")
        return cls(text, str(path), pre, post, lambda a, b: nmhit.parse_file(path, a, b))

    @classmethod
    def from_text(
        cls, text: str, name: str = "<string>", pre: Sequence[str] = (), post: Sequence[str] = ()
    ) -> Document:
        """Parse `text`; `name` stands for the file in messages."""
        return cls(text, name, pre, post, lambda a, b: nmhit.parse_text(text, a, b))

    # -- places ----------------------------------------------------------------------------------------------

    def where(self, node: nmhit.Node, block: str = "", option: str = "") -> Where:
        return self._where(str(node.filename), node.line(), block, option)

    def _where(self, filename: str, line: int, block: str = "", option: str = "") -> Where:
        if filename not in (".", self.name) and filename != str(Path(self.name)):
            return Where(filename, line, block, option)
        if line <= self._pre_lines:
            return Where("pre", line or None, block, option)
        line -= self._pre_lines
        if line > self._file_lines:
            return Where(f"override '{self._lines[line + self._pre_lines - 1].strip()}'", None, block, option)
        return Where(self.name, line, block, option)

    def _is_own(self, node: nmhit.Node) -> bool:
        return str(node.filename) in (".", self.name, str(Path(self.name)))

    def _is_override(self, node: nmhit.Node) -> bool:
        """Whether the field was written with `:=`, which the parsed tree does not tell."""
        if not self._is_own(node) or not 0 < node.line() <= len(self._lines):
            return False
        text = self._lines[node.line() - 1]
        return any(_OVERRIDE.match(text, m.end()) for m in re.finditer(re.escape(node.path()), text))

    def _comes_after(self, node: nmhit.Node) -> bool:
        """Whether the field stands in a `post` snippet, or was written with `:=`."""
        return self._is_override(node) or (self._is_own(node) and node.line() > self._pre_lines + self._file_lines)

    def _syntax_error(self, error: nmhit.Error) -> InputSyntaxError:
        messages = getattr(error, "messages", None) or []
        if not messages:
            return InputSyntaxError(str(error), Where(self.name))
        first = messages[0]
        texts = dict.fromkeys(m.message for m in messages)
        return InputSyntaxError("; ".join(texts), self._where(str(first.filename), first.line))

    # -- sections --------------------------------------------------------------------------------------------

    def sections(self, name: str) -> Iterator[Block]:
        """Every top-level block called `name`, in file order."""
        for node in self.root.children(nmhit.NodeType.Section):
            if node.path() == name:
                yield Block(self, node, name)

    def blocks(self, section: str) -> dict[str, Block]:
        """The blocks of all sections called `section`; the first one of a name counts."""
        found: dict[str, Block] = {}
        for part in self.sections(section):
            for name, block in part.blocks().items():
                found.setdefault(name, block)
        return found

    def _apply_overrides(self) -> None:
        """Find fields that override a block of an earlier repeated section.

        The parser puts `Models/a/v := 1` into the last [Models] section even where an earlier one holds `a`.
        """
        self.overrides: dict[str, dict[str, nmhit.Field]] = {}
        first: dict[tuple[str, str], nmhit.Node] = {}
        for section in self.root.children(nmhit.NodeType.Section):
            for node in section.children(nmhit.NodeType.Section):
                target = first.setdefault((section.path(), node.path()), node)
                if target is not node:
                    self._merge(target, node, f"{section.path()}/{node.path()}")

    def _merge(self, target: nmhit.Node, source: nmhit.Node, path: str) -> None:
        fields = source.children(nmhit.NodeType.Field)
        is_definition = any(f.path() == "type" and not self._comes_after(f) for f in fields)
        for field in fields:
            override = self._is_override(field)
            if is_definition and not override:
                continue  # a second definition is shadowed by the first
            old = next((f for f in target.children(nmhit.NodeType.Field) if f.path() == field.path()), None)
            if old is not None:
                if not override:
                    text = f"duplicate field '{field.path()}': use ':=' to override"
                    raise InputSyntaxError(text, self.where(field, path))
                old.set_val(field.raw_val())
            self.overrides.setdefault(path, {})[field.path()] = field

    def __deepcopy__(self, memo: dict) -> Document:
        return self

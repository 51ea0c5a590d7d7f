# SPDX-License-Identifier: MIT
"""The text of an input file: read, put together with what it includes, and looked over before it is parsed.

The parser recurses over blocks and includes without a limit, takes bytes for text and does not tell how a field was
written. What it gets is therefore one text without includes, no deeper than MAX_DEPTH, whose lines know their origin.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import InputSyntaxError, UnreadableFile, Where

MAX_DEPTH = 64
"""Blocks within blocks, and includes within includes."""

MAX_INCLUDES = 1000

_NAME = r"[\w./<>+\-*!~]+"
_TOKEN = re.compile(
    rf"""
      (?P<quoted>  '''.*?''' | \"\"\".*?\"\"\" | '[^'"#]*' | "[^'"#]*" )
    | (?P<open>    ['"] )                                    # what opens a quote that is not matched above
    | (?P<comment> \#[^\n]* )
    | (?P<include> !include[ \t]+[^\n]* )
    | (?P<header>  \[[^\[\]\n]*\] )
    | (?P<brace>   \$\{{ (?: [^{{}}\n] | \{{[^{{}}\n]*\}} )* \}} )
    | (?P<name>    {_NAME} ) \s* (?P<operator> :\s*override\s*= | := | = ) \s* (?P<value> [^\s\[\#$'"\\]* )
    | (?P<word>    {_NAME} )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_STRAY = re.compile("[\udc80-\udcff]")


class Line(NamedTuple):
    """Where a line of the composed text stands: a file, `pre`, or an override quoted in full."""

    file: str
    number: int | None
    text: str
    after: bool = False  # in a snippet that comes after the file


class Entry(NamedTuple):
    """A header or an assignment, by its full path; `line` counts in the composed text, from 1.

    operator: `[]` for a header, else `=` or `:=`. direct: an assignment that does not stand in its block, but names it.
    """

    path: str
    line: int
    operator: str
    direct: bool


@dataclass
class Text:
    """`lines`: the composed text. `entries`: what it says, in order. `used`: every word in a `${...}`."""

    lines: list[Line]
    entries: list[Entry]
    used: set[str]

    def __str__(self) -> str:
        return "\n".join(line.text for line in self.lines)

    def where(self, line: int, block: str = "", option: str = "") -> Where:
        """The place of a line of the composed text."""
        if not 0 < line <= len(self.lines):
            return Where(self.lines[-1].file, self.lines[-1].number, block, option)
        at = self.lines[line - 1]
        return Where(at.file, at.number, block, option)


def compose(text: str, name: str, directory: Path, pre: Sequence[str], post: Sequence[str]) -> Text:
    """`pre`, `text` and `post` as one text with includes in their places; paths in them are relative to `directory`.

    Raises InputSyntaxError, and UnreadableFile for an include that cannot be read.
    """
    before = [Line("pre", n, line) for s in pre for n, line in enumerate(_split(s), 1)]
    own = [Line(name, n, line) for n, line in enumerate(_split(text), 1)]
    behind = [Line(f"override '{line.strip()}'", None, line, True) for s in post for line in _split(s)]
    lines = _Includes().spliced([*before, *own, *behind], directory, (Path(name).absolute(),))
    return Text(lines, *_entries(lines))


def read(path: Path) -> str:
    """The text of a file, a byte-order mark left out. What is no UTF-8 comes as a surrogate, which is accepted in
    comments alone. Raises FileNotFoundError and UnreadableFile."""
    if not path.is_file():
        what = "is a folder, not an input file" if path.is_dir() else "no such input file"
        raise FileNotFoundError(f"{path}: {'is no regular file' if path.exists() and not path.is_dir() else what}")
    try:
        return path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {error.strerror}", Where(str(path))) from None


def _split(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n")


class _Includes:
    """Puts files in the place of `!include FILE`."""

    def __init__(self) -> None:
        self.count = 0

    def spliced(self, lines: list[Line], directory: Path, chain: tuple[Path, ...]) -> list[Line]:
        for line in lines:
            if "\0" in line.text:
                raise InputSyntaxError(_not_text("\0"), Where(line.file, line.number))
        text, starts = _joined(lines)
        result: list[Line] = []
        done = 0
        for token in _TOKEN.finditer(text):
            if token.lastgroup == "include":
                at = bisect_right(starts, token.start()) - 1
                result += lines[done:at]
                head = text[starts[at] : token.start()]
                if head.strip():
                    result.append(lines[at]._replace(text=head))
                result += self._file(token.group(), lines[at], directory, chain)
                done = at + 1
        return result + lines[done:]

    def _file(self, command: str, line: Line, directory: Path, chain: tuple[Path, ...]) -> list[Line]:
        where = Where(line.file, line.number)
        name = command.removeprefix("!include").partition("#")[0].strip()
        path = directory / name
        # resolved, a folder or file that is reached in two ways is one
        real, known = os.path.realpath(path), [os.path.realpath(p) for p in chain]
        if real in known:
            ring = " -> ".join(str(p) for p in [*known[known.index(real) :], real])
            raise InputSyntaxError(f"the file includes itself: {ring}", where)
        self.count += 1
        if len(chain) >= MAX_DEPTH or self.count > MAX_INCLUDES:
            raise InputSyntaxError(f"'{name}' is included too deep, or one of more than {MAX_INCLUDES} includes", where)
        try:
            text = read(path)
        except FileNotFoundError as error:
            raise InputSyntaxError(f"cannot open include file '{name}': {error}", where) from None
        own = [Line(str(path), n, part, line.after) for n, part in enumerate(_split(text), 1)]
        _check_balance(own)
        return self.spliced(own, path.parent, (*chain, path))


def _joined(lines: Sequence[Line]) -> tuple[str, list[int]]:
    """The text of lines, and the offset at which each begins."""
    starts, offset = [], 0
    for line in lines:
        starts.append(offset)
        offset += len(line.text) + 1
    return "\n".join(line.text for line in lines), starts


def _check_balance(lines: list[Line]) -> None:
    """An included file closes the blocks it opens, and no others."""
    text, starts = _joined(lines)
    opened: list[int] = []
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "header":
            at = bisect_right(starts, token.start()) - 1
            if token.group()[1:-1].strip():
                opened.append(at)
            elif opened:
                opened.pop()
            else:
                raise InputSyntaxError("[] closes no block of this included file", Where(*lines[at][:2]))
    if opened:
        text = f"{lines[opened[-1]].text.strip()} is not closed in this included file"
        raise InputSyntaxError(text, Where(*lines[opened[-1]][:2]))


def _entries(lines: list[Line]) -> tuple[list[Entry], set[str]]:
    """Headers and assignments of a text without includes, and the words in its `${...}`.

    Raises InputSyntaxError for what the parser must not see: blocks too deep, stray bytes, quotes that are not closed.
    """
    text, starts = _joined(lines)
    entries: list[Entry] = []
    stack: list[str] = []
    depths: list[int] = []  # of path separators in each of the open headers
    comments: list[tuple[int, int]] = []

    def fail(message: str, offset: int) -> None:
        at = bisect_right(starts, offset) - 1
        raise InputSyntaxError(message, Where(*lines[at][:2]))

    for token in _TOKEN.finditer(text):
        kind, start = token.lastgroup, token.start()
        if kind == "comment":
            comments.append(token.span())
        elif kind == "open":
            fail(_bad_quote(text[start:]), start)
        elif kind == "header":
            name = token.group()[1:-1].strip()
            if name:
                stack.append(name)
                depths.append(1 + name.count("/"))
                if sum(depths) > MAX_DEPTH:
                    fail(f"blocks nested more than {MAX_DEPTH} deep", start)
                entries.append(Entry("/".join(stack), bisect_right(starts, start), "[]", False))
            elif stack:
                stack.pop()
                depths.pop()
        elif kind == "value":
            name = token["name"]
            if sum(depths) + name.count("/") > MAX_DEPTH:
                fail(f"blocks nested more than {MAX_DEPTH} deep", start)
            operator = "=" if token["operator"] == "=" else ":="
            path = "/".join([*stack, name])
            entries.append(Entry(path, bisect_right(starts, start), operator, "/" in name or not stack))
    for stray in _STRAY.finditer(text):
        if not any(a <= stray.start() < b for a, b in comments):
            fail(_not_text(stray.group()), stray.start())
    if comments:
        lines[:] = [line._replace(text=_STRAY.sub("\ufffd", line.text)) for line in lines]
    used = {word for part in re.findall(r"\$\{([^}]*)", text) for word in re.split(r"[\s${]+", part)}
    return entries, used


def _not_text(stray: str) -> str:
    return f"byte 0x{ord(stray) & 0xFF:02x} is no text; input files are UTF-8"


def _bad_quote(rest: str) -> str:
    quote = rest[0]
    end = rest.find(quote, 1)
    if end < 0:
        return f"the quote {quote} is not closed"
    return "a quoted value holds a quote or a '#'; write it between ''' and '''"

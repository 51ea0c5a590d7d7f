# SPDX-License-Identifier: MIT
"""Errors and warnings about input files.

Each class also derives from the builtin exception a caller would expect (`KeyError` for something that is
not there, `ValueError` for something that makes no sense), so that no caller needs to know this module. The
message names file, line, block and option where there are any, and the nearest known name where a name is
unknown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class SuspiciousReference(UserWarning):
    """A name was accepted, but looks like a misspelt reference or number."""


class BrokenExtension(UserWarning):
    """An installed package that offers models cannot be imported."""


@dataclass(frozen=True)
class Where:
    """A place in an input file: prints as `model.i:12: [Models/elasticity] option 'strain'`."""

    file: str = ""
    line: int | None = None
    block: str = ""
    option: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = f"[{self.block}]" if self.block else ""
        if self.option:
            subject = f"{subject} option '{self.option}'".strip()
        return f"{place}: {subject}" if place and subject else place or subject


class InputError(Exception):
    """Base of all errors about an input file. `.where` is the place, `.text` the message without it."""

    def __init__(self, text: str, where: Where | None = None) -> None:
        self.text = text
        self.where = where or Where()
        place = str(self.where)
        self.message = f"{place}: {text}" if place else text
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple:
        return (type(self), (self.text, self.where))


class InputSyntaxError(InputError, ValueError, RuntimeError):
    """The text of an input file cannot be parsed."""


class UnreadableFile(InputError, PermissionError):
    """A file is there but cannot be read."""


class UnknownBlock(InputError, KeyError):
    """A block that is asked for does not exist."""


class UnknownType(InputError, KeyError):
    """`type` names no registered type."""


class UnknownTensorType(InputError, ValueError):
    """`type` of a [Tensors] block names no registered type."""


class InvalidOption(InputError, ValueError):
    """An option is unknown, or its value does not fit."""


class MissingOption(InputError, ValueError, RuntimeError):
    """A required option is not given."""


class BadValue(InvalidOption, RuntimeError):
    """The text of an option cannot be read as the kind of value it should be."""


class TensorError(InputError, ValueError):
    """A [Tensors] block cannot be evaluated, or is not what its user needs."""


class CircularReference(InputError, RecursionError):
    """A block refers to itself, directly or through others."""


class InvalidModel(InputError, ValueError):
    """Models do not fit together."""


class ExtensionError(InputError, ImportError):
    """A Python file with types of the user's own cannot be imported. `.where` is the line in that file."""


class MissingInput(InputError, KeyError):
    """A model is evaluated without one of its inputs."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name nearest to `name`, ignoring case, or None."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name nearest to `name`, else the empty string."""
    near = nearest(name, known)
    return f"; did you mean '{near}'?" if near else ""


def listing(names: Iterable[str], limit: int = 24) -> str:
    """Names separated by commas, cut after `limit`; `none` where there are none."""
    all_names = list(names)
    shown = ", ".join(all_names[:limit])
    return (shown + (", ..." if len(all_names) > limit else "")) or "none"


def place_of(function: object) -> str:
    """File and line of a Python function, as `file:line: `; nothing for one that has none."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}: " if code is not None else ""

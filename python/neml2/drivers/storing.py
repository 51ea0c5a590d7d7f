# SPDX-License-Identifier: MIT
"""Results in files: what must not be written over is refused, and a file is there whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ..hit.input_file import InputFile

KEPT = "what stood there is as it was; make room or permit writing there, or name another file"


def refusal(path: Path, source: InputFile | None) -> str:
    """Why a result must not be written to `path`, with what to do; empty if it may be.

    Only regular files are written over, and none that `source` was read from or names, by whatever links.
    """
    if path.is_dir():
        return f"{path} is a folder; name a file"
    if path.exists() and not path.is_file():
        return f"{path} is a device, pipe or socket; name a regular file"
    if path.exists() and any(os.path.samefile(path, other) for other in _read(source)):
        return f"{path} is read by this input; name another file"
    folder = next((p for p in path.absolute().parents if p.exists()), Path("/"))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return f"cannot write to {path}: {folder} cannot be written to; name a place that can"
    return ""


def _read(source: InputFile | None) -> Iterator[Path]:
    """The input file, what it includes, and files that its options name."""
    if source is None:
        return
    import nmhit

    if source.path.is_file():
        yield source.path
    waiting = [source.document.root]
    while waiting:
        node = waiting.pop()
        waiting += node.children(nmhit.NodeType.Section)
        included = Path(str(node.filename))
        if included.is_file():
            yield included
        for field in node.children(nmhit.NodeType.Field):
            if field.path() != "save_as":
                yield from _named(field.raw_val(), source.directory)


def _named(text: str, folder: Path) -> Iterator[Path]:
    for word in dict.fromkeys(re.split(r"[\s'\"(),;]+", text)):
        try:
            if word and (folder / word).is_file():
                yield folder / word
        except (OSError, ValueError):  # no name of a file
            continue


class _Writer:
    """Keeps the first error of a file for later: torch ends the process where writing fails under it."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        if self.error is None:
            try:
                self.file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Done when the file is closed."""


def write(content: dict[str, Any], path: Path) -> None:
    """Write `content` with torch.save to a file beside `path`, which then takes its place.

    Links are followed, folders are made. Raises OSError with the path and what to do; `path` then is as it was.
    """
    path = Path(os.path.realpath(path))
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb") as file:
                writer = _Writer(file)
                torch.save(content, writer)
                if writer.error is not None:
                    raise writer.error
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; {KEPT}", str(path)) from error

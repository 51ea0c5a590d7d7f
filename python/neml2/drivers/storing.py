# SPDX-License-Identifier: MIT
"""Results in files: what must not be written over is refused, and a file is there whole or not at all."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import listing
from ..hit.input_file import InputFile

if TYPE_CHECKING:
    from .transient import TransientDriver

Write = Callable[[Any], object]
"""Writes to a file that takes bytes."""

KEPT = "what stood there is as it was; make room or permit writing there, or name another file"


def refusal(path: Path, source: InputFile | None, endings: bool = True) -> str:
    """Why a result must not be written to `path`, with what to do; empty if it may be. `endings`: only to names that
    end as something that is written.

    Only regular files are written over, and none that `source` was read from or names, by whatever links.
    """
    if path.is_dir():
        return f"{path} is a folder; name a file"
    if path.exists() and not path.is_file():
        return f"{path} is a device, pipe or socket; name a regular file"
    if path.exists() and any(os.path.samefile(path, other) for other in _read(source)):
        return f"{path} is read by this input; name another file"
    ending = path.suffix.lower() if endings else ""
    if ending and ending not in ENDINGS:
        return f"{path} ends in '{path.suffix}', which is not written; end it in {listing(ENDINGS)}"
    if ending in (".h5", ".hdf5") and importlib.util.find_spec("h5py") is None:
        return f"{path} needs h5py: pip install h5py"
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


def save(driver: TransientDriver, path: Path) -> None:
    """Write the results of a driver by the ending of `path`; see TransientDriver.save."""
    replace(path, ENDINGS.get(path.suffix.lower(), _torch)(driver))


def _torch(driver: TransientDriver) -> Write:
    content: dict[str, Any] = {key: value.detach().contiguous() for key, value in driver.result().items()}
    if driver.note:
        content["note"] = driver.note
    return lambda file: torch.save(content, file)


def _npz(driver: TransientDriver) -> Write:
    import numpy as np

    note = {"note": np.array(driver.note)} if driver.note else {}
    return lambda file: file.write(_buffered(lambda buffer: np.savez(buffer, **dict(driver.results), **note)))


def _csv(driver: TransientDriver) -> Write:
    import numpy as np

    columns = driver.results.columns()
    steps, points = columns["time"].shape
    numbers = {"step": np.repeat(np.arange(steps), points), "point": np.tile(np.arange(points), steps)}
    rows = zip(*(v.reshape(-1).tolist() for v in (*numbers.values(), *columns.values())), strict=True)

    def text(buffer: io.BytesIO) -> None:
        lines = io.TextIOWrapper(buffer, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(lines, lineterminator="\n")
        table.writerow([*numbers, *columns])
        table.writerows(rows)
        lines.write(f"# {driver.note}\n" if driver.note else "")
        lines.detach()  # or it would close the buffer

    return lambda file: file.write(_buffered(text))


def _hdf5(driver: TransientDriver) -> Write:
    import h5py

    results = driver.results

    def tree(buffer: io.BytesIO) -> None:
        with h5py.File(buffer, "w") as file:
            file.attrs.update({"note": driver.note} if driver.note else {})
            for name, value in results.items():
                data = file.create_dataset(name, data=value)
                data.attrs["components"] = list(results.components(name))
                data.attrs["sites"] = results.sites(name)

    return lambda file: file.write(_buffered(tree))


def _buffered(write: Callable[[io.BytesIO], Any]) -> memoryview:
    """What a function writes to a file that can be read and moved in."""
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getbuffer()


ENDINGS: dict[str, Callable[[TransientDriver], Write]] = {
    ".pt": _torch,
    ".pth": _torch,
    ".npz": _npz,
    ".csv": _csv,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}
"""What writes a file of a name that ends so. Names without an ending are written as .pt."""


def replace(path: Path, write: Write) -> None:
    """Let `write` fill a file beside `path`, which then takes its place.

    Links are followed, folders are made. Raises OSError with the path and what to do; `path` then is as it was.
    """
    path = Path(os.path.realpath(path))
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb") as file:
                writer = _Writer(file)
                write(writer)
                if writer.error is not None:
                    raise writer.error
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; {KEPT}", str(path)) from error

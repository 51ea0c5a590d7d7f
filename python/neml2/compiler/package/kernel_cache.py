# SPDX-License-Identifier: MIT
"""Compiled files kept between runs, by what they were made from.

The name of an entry holds a hash of everything that shapes the file: graph or source, layout, target, torch, headers,
compiler. An entry is built under a lock in a folder of its own, so that processes starting at once compile it once, and
the paths Inductor hashes into its file names are the same in every run; then it is renamed into place. Beside it lies a
note with its checksum: an entry that does not match is built again. Each kind of entry has a folder and a limit; what
was used longest ago goes first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from neml2.compiler.package.staging import FULL

T = TypeVar("T")
Build = Callable[[Path, Path], Any]

LIMITS = {"kernels": 2 << 30, "jit": 512 << 20}
"""Kinds of entries, a folder each, and how many bytes each may hold."""

_NOTE, _LOCK, _SCRATCH = ".note", ".lock", ".build"


@dataclass(frozen=True)
class Entry:
    """A kept file: when it was last used (seconds since the epoch), and what it is in words."""

    path: Path
    kind: str
    size: int
    used: float
    what: str


def root() -> Path:
    """The folder of all kinds: `$NEML2_CACHE_DIR`, else the user's cache folder (`$XDG_CACHE_HOME/neml2`)."""
    chosen = os.environ.get("NEML2_CACHE_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("neml2", appauthor=False))


def folder(kind: str = "kernels") -> Path:
    """Where entries of `kind` are kept."""
    return root() / kind


def key(*parts: str) -> str:
    """The name of what is made from `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def fetch(name: str, build: Build, suffix: str = ".pt2", kind: str = "kernels", what: str = "") -> bytes:
    """The content of the file kept under `name`; see `load`."""
    return load(name, build, Path.read_bytes, suffix, kind, what)


def load(
    name: str, build: Build, use: Callable[[Path], T], suffix: str = ".so", kind: str = "jit", what: str = ""
) -> T:
    """`use(path)` of the file kept under `name`; missing or damaged, `build(path, scratch folder)` writes it.

    `use` is called while no other process replaces the file; an OSError it raises means a file that is of no use here,
    which is built once more. Where the cache cannot be written or is full, the file is built in a temporary folder and
    not kept.
    """
    cache = folder(kind)
    kept = cache / f"{name}{suffix}"
    try:
        with _locked(cache / f"{name}{_LOCK}") as alone:
            fresh = not _intact(kept)
            if fresh:
                _make(kept, build, what, alone)
            os.utime(kept)
            try:
                result = use(kept)
            except OSError:
                if fresh:
                    raise
                fresh = True
                _make(kept, build, what, alone)
                result = use(kept)
        if fresh:
            trim(cache, LIMITS[kind])
        return result
    except _Unwritable:
        if _intact(kept):
            return use(kept)
        with tempfile.TemporaryDirectory(prefix="neml2-") as scratch:
            path = Path(scratch) / f"{name}{suffix}"
            try:
                build(path, Path(scratch))
            except Exception as error:
                if _is_full(error):
                    raise OSError(f"no room to compile in: neither {cache} nor {scratch} ({error})") from error
                raise
            return use(path)


class _Unwritable(Exception):
    """The cache cannot be written."""


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Holds the lock of an entry; yields False where the file system has no locks."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        except OSError as error:
            raise _Unwritable from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                yield False
                return
            if not _is_open_file(path, file.fileno()):  # removed while we waited for it
                continue
            yield True
            return


def _is_open_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _make(kept: Path, build: Build, what: str, alone: bool) -> None:
    """Build the file, then rename note and file into place. Not `alone`, another process may do the same: harmless."""
    scratch = kept.with_name(f"{kept.stem}{'' if alone else f'.{os.getpid()}'}{_SCRATCH}")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir()
        made = scratch / kept.name
        build(made, scratch)
        note = {"sha256": digest(made), "bytes": made.stat().st_size, "what": what}
        written = scratch / f"{kept.name}{_NOTE}"
        written.write_text(json.dumps(note))
        written.rename(_note(kept))
        made.rename(kept)
    except Exception as error:
        if not scratch.is_dir() or _is_full(error):
            raise _Unwritable from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_full(error: BaseException) -> bool:
    """Whether the disk was full, for us or for a compiler that we ran."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return any(os.strerror(code) in str(error) for code in FULL)


def _note(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}{_NOTE}")


def _read_note(kept: Path) -> dict[str, Any]:
    try:
        note = json.loads(_note(kept).read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _intact(kept: Path) -> bool:
    try:
        return _read_note(kept).get("sha256") == digest(kept)
    except OSError:
        return False


# ---- upkeep ----------------------------------------------------------------------------------------------------------


def entries(kind: str) -> list[Entry]:
    """What is kept, used last first."""
    return _entries(folder(kind), kind)


def _entries(cache: Path, kind: str = "") -> list[Entry]:
    found = []
    for path in cache.iterdir() if cache.is_dir() else ():
        if path.suffix in (_NOTE, _LOCK, _SCRATCH):
            continue
        try:
            status = path.stat()
        except OSError:  # gone meanwhile
            continue
        what = str(_read_note(path).get("what") or path.stem)
        found.append(Entry(path, kind, status.st_size, status.st_mtime, what))
    return sorted(found, key=lambda e: e.used, reverse=True)


def trim(cache: Path, limit: int) -> None:
    """Remove the entries used longest ago until at most `limit` bytes are left; the newest one stays."""
    total = 0
    for k, entry in enumerate(_entries(cache)):
        total += entry.size
        if total > limit and k > 0:
            _remove(entry.path)


def clear(kind: str) -> tuple[int, int]:
    """Remove all entries; (entries, bytes) removed. Entries being built at the moment stay."""
    cache = folder(kind)
    removed = [entry for entry in entries(kind) if _remove(entry.path)]
    for left in list(cache.iterdir()) if cache.is_dir() else ():
        if left.suffix == _LOCK:
            _remove(left.with_suffix(""))
        elif left.suffix == _SCRATCH and time.time() - left.stat().st_mtime > 3600:  # its process has died
            shutil.rmtree(left, ignore_errors=True)
    return len(removed), sum(entry.size for entry in removed)


def _remove(kept: Path) -> bool:
    """Remove an entry with its note and lock, unless another process holds the lock."""
    lock = kept.with_name(f"{kept.stem}{_LOCK}")
    with contextlib.suppress(OSError), lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in (kept, _note(kept), lock):
            path.unlink(missing_ok=True)
        return True
    return False

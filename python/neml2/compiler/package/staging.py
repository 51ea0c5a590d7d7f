# SPDX-License-Identifier: MIT
"""A folder that is written elsewhere and takes its place in one step.

The place is a hidden folder beside the target, locked while its process lives. What killed processes left behind is
therefore known, and removed by the next one.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where there is no more room for a file."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # Linux: fcntl.h, linux/fs.h
_NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A new folder, which becomes `target` at the end of the block; after an exception `target` is as it was.

    Raises OSError, with the path where the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target)
        with _hidden_folder(target) as hidden:
            new = hidden / "new"
            new.mkdir()
            yield new
            replace(new, target)
    except OSError as error:
        if error.errno not in FULL or error.filename:
            raise
        raise OSError(f"cannot write {target}: {error.strerror}; what was there is unchanged") from error


@contextmanager
def _hidden_folder(target: Path) -> Iterator[Path]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        with suppress(FileNotFoundError):  # taken for a stale one before it was locked
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # a file system without locks: then nobody removes it either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                break
            os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_stale(target: Path) -> None:
    """Remove the hidden folders of processes that have died. A package that one of them had taken away comes back."""
    mine = re.compile(re.escape(f".{target.name}-") + r"(old-)?[a-z0-9_]{8}")
    for folder in [p for p in target.parent.iterdir() if mine.fullmatch(p.name) and p.is_dir()]:
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not target.exists():
                    for old in [p for p in folder.iterdir() if p.name in ("old", target.name)]:
                        old.rename(target)
                shutil.rmtree(folder)
            finally:
                os.close(lock)


def replace(new: Path, target: Path) -> None:
    """Rename `new` to `target` and what is there, if anything, to `new` or a name beside it.

    In one step where the system can exchange two names; elsewhere there is a moment in which `target` is missing.
    """
    old = new.with_name("old")
    while True:
        try:
            new.rename(target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                if old.exists() and not target.exists():
                    old.rename(target)
                raise
        with suppress(FileNotFoundError):  # another process has just taken it away
            if _exchange(new, target):
                return
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system cannot. Raises OSError."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))

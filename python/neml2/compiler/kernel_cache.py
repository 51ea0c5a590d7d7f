# SPDX-License-Identifier: MIT
"""Compiled kernels kept between runs, by what they were made from.

The key is a hash of everything that shapes the file: graph, layout, target, torch and compiler. A kernel is built under
a lock in a folder named after its key, so that processes starting at once compile it once, and so that the paths
Inductor hashes into its file names are the same in every run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_BYTES = 2 << 30


def folder() -> Path:
    """Where kernels are kept: `$NEML2_CACHE_DIR/kernels`, else below the user's cache folder."""
    root = os.environ.get("NEML2_CACHE_DIR")
    if root is None:
        from platformdirs import user_cache_dir

        root = user_cache_dir("neml2", appauthor=False)
    return Path(root) / "kernels"


def key(*parts: str) -> str:
    """The name of what is made from `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fetch(name: str, build: Callable[[Path, Path], None], suffix: str = ".pt2") -> bytes:
    """The file kept under `name`; `build(path, scratch folder)` writes it where it is missing.

    Where the cache cannot be written, the file is built in a temporary folder and not kept.
    """
    cache = folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = cache / f"{name}.lock"
        lock.touch()
    except OSError:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="neml2-") as scratch:
            path = Path(scratch) / f"{name}{suffix}"
            build(path, Path(scratch))
            return path.read_bytes()
    with _locked(lock):
        kept = cache / f"{name}{suffix}"
        if not kept.exists():
            scratch_folder = cache / f"{name}.build"
            shutil.rmtree(scratch_folder, ignore_errors=True)
            scratch_folder.mkdir()
            try:
                build(scratch_folder / kept.name, scratch_folder)
                (scratch_folder / kept.name).rename(kept)
            finally:
                shutil.rmtree(scratch_folder, ignore_errors=True)
            trim(cache, LIMIT_BYTES)
        content = kept.read_bytes()
        os.utime(kept)
    return content


def trim(cache: Path, limit: int) -> None:
    """Remove the files used longest ago until at most `limit` bytes are left."""
    files = sorted((p for p in cache.iterdir() if p.is_file()), key=lambda p: p.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > limit:
            file.unlink(missing_ok=True)

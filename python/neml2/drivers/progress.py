# SPDX-License-Identifier: MIT
"""How far a run is: a bar on a terminal, a line every tenth of the way elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

Progress = Callable[[int, int], None]
"""Called with the number of steps done, and of all steps, after each step and once before the first."""


def reporter(label: str, quiet: bool = False, stream: TextIO | None = None) -> Progress | None:
    """The progress for the kind of output `stream` (default stderr) is; None if quiet."""
    stream = stream or sys.stderr
    if quiet:
        return None
    return Bar(label, stream) if stream.isatty() else Lines(label, stream)


class Bar:
    """A bar that a terminal redraws."""

    def __init__(self, label: str, stream: TextIO) -> None:
        self.label, self.stream = label, stream
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=self.label, unit="step", file=self.stream, leave=False)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Lines:
    """`driver: step 10 of 100, 0.4 s` about every tenth of the way."""

    def __init__(self, label: str, stream: TextIO) -> None:
        self.label, self.stream = label, stream
        self._start = time.perf_counter()
        self._shown = 0

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if done == 0 or tenth == self._shown:
            return
        self._shown = tenth
        took = time.perf_counter() - self._start
        print(f"{self.label}: step {done} of {total}, {took:.1f} s", file=self.stream, flush=True)

    def close(self) -> None:
        """Nothing is left open."""

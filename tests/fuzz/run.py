# SPDX-License-Identifier: MIT
"""Runs the fuzzers: random cases, each of which must end in success or in one of the library's own errors.

A target is a module beside this one with a class `Target`:

    class Target:
        def __init__(self, folder: Path) -> None: ...      # prepares what cases need, in an empty folder
        def run(self, rng: random.Random) -> None: ...     # one case; AssertionError where it ends otherwise

Each target runs in a process of its own, which is started again after a crash or a case that takes too long. A case
depends on its seed alone, which is noted before it starts, so that signals and hangs can be repeated as well.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOT_TARGETS = {"run", "mutations"}
CASE_SECONDS = 60  # then a case counts as hanging
ENOUGH = 20  # failures of a target after which it is given up


def targets() -> list[str]:
    """Names of all targets."""
    return sorted(p.stem for p in HERE.glob("*.py") if p.stem not in NOT_TARGETS and not p.stem.startswith("_"))


@dataclass
class Outcome:
    """What became of a target: cases run, and for each that failed its seed, the reason, and where its files are."""

    target: str
    cases: int = 0
    seconds: float = 0
    failures: list[tuple[int, str, Path]] = field(default_factory=list)


# -- the process of a target -------------------------------------------------------------------------------------------


def work(target: str, first: int, cases: int, seconds: float, folder: Path) -> int:
    """Runs the cases first, first + 1, ...; stops after the first that fails, its seed as the last line of `cases`."""
    import traceback

    faulthandler.enable()
    sys.path[:0] = [str(HERE), str(HERE.parent / "python")]
    subject = importlib.import_module(target).Target(folder)
    end = time.monotonic() + seconds
    with (folder / "cases").open("a", buffering=1) as notes:
        for seed in range(first, first + cases):
            notes.write(f"{seed}\n")
            signal.alarm(CASE_SECONDS)
            try:
                subject.run(random.Random(seed))
            except BaseException:
                traceback.print_exc()
                return 1
            finally:
                signal.alarm(0)
            if time.monotonic() > end:
                break
        notes.write("done\n")
    return 0


# -- the process that watches it ---------------------------------------------------------------------------------------


def run(target: str, seed: int, cases: int, seconds: float, keep: Path, show: bool = True) -> Outcome:
    """Runs a target until `cases` or `seconds` are used up; files of cases that fail are kept in `keep`."""
    outcome, start = Outcome(target), time.monotonic()
    number, last = seed, seed + cases
    bar = _bar(target, cases, seconds) if show else None
    while number < last and len(outcome.failures) < ENOUGH and (left := start + seconds - time.monotonic()) > 0:
        folder = Path(tempfile.mkdtemp(prefix=f"neml2-fuzz-{target}-"))
        log = folder / "log"
        command = [sys.executable, __file__, "--work", target, str(number), str(last - number), str(left), str(folder)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            _watch(process, folder, bar, outcome.cases)
        begun = (folder / "cases").read_text().split() if (folder / "cases").exists() else []
        seeds = [int(line) for line in begun if line != "done"]
        outcome.cases += len(seeds)
        if process.returncode == 0:
            shutil.rmtree(folder, ignore_errors=True)
            break
        failed = seeds[-1] if seeds else number
        kept = keep / f"{target}-{failed}"
        shutil.rmtree(kept, ignore_errors=True)
        keep.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, kept)
        outcome.failures.append((failed, _reason(process.returncode, kept / "log"), kept))
        if not seeds:  # it could not even be prepared
            break
        number = failed + 1
    outcome.seconds = time.monotonic() - start
    if bar is not None:
        bar.close()
    return outcome


def _bar(target: str, cases: int, seconds: float):
    from tqdm import tqdm

    return tqdm(desc=target, total=cases if cases < 1 << 40 else None, unit=" cases", mininterval=1)


def _watch(process: subprocess.Popen, folder: Path, bar: object, before: int) -> None:
    while process.poll() is None:
        time.sleep(0.2)
        if bar is not None and (folder / "cases").exists():
            done = before + (folder / "cases").read_bytes().count(b"\n")
            bar.update(done - bar.n)  # type: ignore[attr-defined]


def _reason(code: int, log: Path) -> str:
    if code == -signal.SIGALRM:
        return f"took more than {CASE_SECONDS} s"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"ended with status {code}"


def report(outcome: Outcome) -> None:
    print(f"{outcome.target}: {outcome.cases} cases in {outcome.seconds:.0f} s, {len(outcome.failures)} failed")
    for seed, reason, kept in outcome.failures:
        print(f"  {reason}")
        print(f"    again: {sys.executable} {__file__} --targets {outcome.target} --seed {seed} --cases 1")
        print(f"    files: {kept}")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--targets", nargs="+", choices=targets(), default=targets(), metavar="NAME", help=str(targets()))
    p.add_argument("--seconds", type=float, help="time for each target (default: 60, or no limit with --cases)")
    p.add_argument("--cases", type=int, help="cases of each target (default: no limit)")
    p.add_argument("--seed", type=int, help="seed of the first case (default: the time)")
    p.add_argument("--keep", type=Path, default=HERE.parents[1] / "build" / "fuzz", help="folder for cases that fail")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--work"]:
        return work(given[1], int(given[2]), int(given[3]), float(given[4]), Path(given[5]))
    options = parser().parse_args(given)
    seconds = options.seconds or (60.0 if options.cases is None else 1e9)
    seed = int(time.time()) * 1000 if options.seed is None else options.seed
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"seed {seed}")
    outcomes = []
    for target in options.targets:
        outcomes.append(run(target, seed, options.cases or sys.maxsize - seed, seconds, options.keep))
        report(outcomes[-1])
    return any(outcome.failures for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())

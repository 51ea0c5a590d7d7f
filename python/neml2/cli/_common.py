# SPDX-License-Identifier: MIT
"""What the commands share: arguments, loading a file with overrides, errors in one line, exit status.

Nothing here imports torch before there is something to run, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..hit import InputFile

OK, FAILED, USAGE = 0, 1, 2


class UsageError(Exception):
    """The command line asks for something that is not there; exit status 2."""


def parser(prog: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(prog=prog, description=description, epilog=epilog, formatter_class=formatter)
    made.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    return made


class _Version(argparse.Action):
    """Prints the version, which is looked up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .. import __version__

        print(parser.prog, __version__)
        parser.exit()


def add_file_arguments(arguments: argparse.ArgumentParser) -> None:
    """FILE, --load and overrides."""
    arguments.add_argument("file", metavar="FILE", help="input file")
    add_load(arguments)


def add_load(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "--load", metavar="PATH", action="append", default=[], help="Python file with more types (repeatable)"
    )


def add_overrides(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "overrides",
        metavar="OVERRIDE",
        nargs="*",
        default=[],
        help="e.g. Solvers/newton/max_its:=50, or nbatch=10 where the file says ${nbatch}",
    )


def add_numbers(arguments: argparse.ArgumentParser) -> None:
    """--device and --dtype."""
    arguments.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    arguments.add_argument("--dtype", default="float64", choices=("float64", "float32"), help="default float64")


def load(file: str, overrides: Sequence[str] = (), extensions: Sequence[str] = ()) -> InputFile:
    """The input file with overrides, after importing extensions. Raises UsageError for what cannot be meant."""
    for override in overrides:
        name, equals, _ = override.partition("=")
        if not equals or not name.rstrip(": ").strip():
            raise UsageError(
                f"'{override}' is no override; expected BLOCK/OPTION:=VALUE, e.g. Solvers/newton/max_its:=50"
            )
    if not Path(file).is_file():
        raise UsageError(f"{file}: {'is a folder' if Path(file).is_dir() else 'no such input file'}")
    from ..hit import load_input

    load_extensions(extensions)
    return load_input(file, additional_args=list(overrides))


def load_extensions(paths: Sequence[str]) -> None:
    """Import the Python files given by --load."""
    from ..hit import load_extension

    for path in paths:
        if not Path(path).is_file():
            raise UsageError(f"{path}: no such extension file")
        load_extension(path)


def require(source: InputFile, section: str, name: str) -> None:
    """Raises UsageError if there is no block [section/name]."""
    from ..errors import listing, suggestion

    names = source.names(section)
    if name not in names:
        hint = suggestion(name, names) or f"; there are: {listing(names)}"
        raise UsageError(f"{source.path}: no [{section}/{name}]{hint}")


def only(source: InputFile, section: str, argument: str) -> str:
    """The name of the only block of a section. Raises UsageError, which asks for `argument`, if there are several."""
    from ..errors import listing

    names = source.names(section)
    if len(names) == 1:
        return names[0]
    there = f"there are: {listing(names) or 'none'}"
    raise UsageError(f"{source.path}: say which of [{section}] is meant, as {argument}; {there}")


def set_numbers(device: str, dtype: str) -> tuple[Any, Any]:
    """Make device and dtype the ambient ones; returns them as torch objects."""
    import torch

    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UsageError(f"'{device}' is no device; expected cpu, cuda or cuda:N") from None
    if chosen.type not in ("cpu", "cuda"):
        raise UsageError(f"'{device}' is no device to run on; expected cpu, cuda or cuda:N")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is available to this torch; use --device cpu")
    kind = getattr(torch, dtype)
    torch.set_default_dtype(kind)
    torch.set_default_device(chosen)
    return chosen, kind


def hint_at_tolerances(prog: str, source: InputFile, dtype: str) -> None:
    """Say on stderr which solvers ask for more than numbers of single precision can give."""
    from ..solvers import Newton

    if dtype != "float32":
        return
    for path in source.built():
        solver = source.get(*path.split("/", 1))
        if isinstance(solver, Newton) and solver.rel_tol < 1e-6 and solver.abs_tol < 1e-6:
            given = f"abs_tol = {solver.abs_tol:g}, rel_tol = {solver.rel_tol:g}"
            text = f"[{path}]: {given} may be out of reach of float32, which has 7 digits"
            print(f"{prog}: hint: {text}; try {path}/rel_tol:=1e-5", file=sys.stderr)


@contextmanager
def told(prog: str, quiet: bool) -> Iterator[None]:
    """Prints what the library says it does on stderr, unless `quiet`."""
    import logging

    handler, logger = logging.StreamHandler(sys.stderr), logging.getLogger("neml2")
    handler.setFormatter(logging.Formatter(f"{prog}: %(message)s"))
    before = logger.level
    if not quiet:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def run(prog: str, command: Callable[[], int], failed: int = FAILED) -> int:
    """The exit status of a command. An error becomes one line on stderr and the status `failed`, or USAGE where the
    arguments are at fault."""
    try:
        return command()
    except UsageError as error:
        return _complain(prog, error, USAGE)
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone; say nothing more
        return failed
    except Exception as error:
        return _complain(prog, error, failed)


def _complain(prog: str, error: BaseException, status: int) -> int:
    print(f"{prog}: {one_line(error)}", file=sys.stderr)
    return status


def one_line(error: BaseException) -> str:
    """The message of an error on one line; the class of an error that has no message of ours, and the line of a user's
    own file if it came from there."""
    from ..errors import InputError
    from ..hit.registry import place_in_extension

    text = str(error)
    if isinstance(error, KeyError) and not isinstance(error, InputError) and error.args:
        text = f"KeyError: {error.args[0]}"
    text = " ".join(text.split()) or type(error).__name__
    place = None if isinstance(error, InputError) else place_in_extension(error)
    if place is not None and not any(f"{place}{end}" in text for end in " :"):
        text = f"{place}: {text if text.startswith(type(error).__name__) else f'{type(error).__name__}: {text}'}"
    notes = [" ".join(str(note).split()) for note in getattr(error, "__notes__", ())]
    return " ".join([text, *(f"({note})" for note in notes)])

# SPDX-License-Identifier: MIT
"""neml2-run: run a driver of an input file."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _common as common
from ._parameters import set_parameters

PROG = "neml2-run"
DESCRIPTION = """Run a driver of an input file. Implicit models are compiled for this CPU; the kernel is kept,
and serves other values of the parameters too. Exit status: 0 it succeeded, 1 it did not, 2 bad usage."""
EPILOG = """\
examples:
  neml2-run input.i                                 the only driver of the file
  neml2-run input.i check                           the driver 'check'
  neml2-run input.i check "Models/elasticity/coefficients:='100e3 0.3'"
  neml2-run input.i -p E=100e3                      a parameter, also of a compiled model
"""


def arguments() -> argparse.ArgumentParser:
    parser = common.parser(PROG, DESCRIPTION, EPILOG)
    common.add_file_arguments(parser)
    parser.add_argument(
        "driver", metavar="DRIVER", nargs="?", help="name of a block in [Drivers] (default: the only one)"
    )
    common.add_overrides(parser)
    parser.add_argument(
        "-p",
        "--parameter",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="value of a parameter of the driven model, of a compiled one if it is promoted; the end of its qualified "
        "name behind a dot will do where only one ends so (repeatable)",
    )
    common.add_numbers(parser)
    parser.add_argument("--eager", action="store_true", help="evaluate implicit models in PyTorch, without compiling")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors alone")
    parser.add_argument("--plot", metavar="OUT.png", help="draw the history (needs matplotlib)")
    parser.add_argument(
        "--axes",
        metavar="X:Y",
        action="append",
        default=[],
        help="what to draw, e.g. time:stress or strain:stress (repeatable)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = arguments()
    options = parser.parse_intermixed_args(argv)
    if options.driver and "=" in options.driver:  # no driver, and the first override in its place
        options.overrides.insert(0, options.driver)
        options.driver = None
    if options.axes and not options.plot:
        parser.error("--axes needs --plot")
    return common.run(PROG, lambda: command(options))


def command(options: argparse.Namespace) -> int:
    warnings.formatwarning = lambda message, *_, **__: f"{PROG}: warning: {message}\n"
    source = common.load(options.file, options.overrides, options.load)
    device, dtype = common.set_numbers(options.device, options.dtype)
    options.driver = options.driver or common.only(source, "Drivers", "DRIVER")
    common.require(source, "Drivers", options.driver)
    if options.plot:
        check_plot(Path(options.plot))
    driver = source.get_driver(options.driver)
    transient = transient_of(driver)
    set_parameters(getattr(transient or driver, "model", None), options.parameter)
    if transient is not None and (device.type, options.dtype) != ("cpu", "float64"):
        transient.to(device=device, dtype=dtype)
    if options.plot and transient is None:
        raise common.UsageError(f"--plot draws histories, but [Drivers/{options.driver}] is a {type(driver).__name__}")
    common.hint_at_tolerances(PROG, source, options.dtype)
    return execute(driver, transient, options)


def execute(driver: Any, transient: Any, options: argparse.Namespace) -> int:
    from ..drivers.progress import reporter

    start = time.perf_counter()
    eager = {"eager": options.eager} if transient is not None else {}
    try:
        with common.told(PROG, options.quiet):
            driver.run(reporter(options.driver, options.quiet), **eager)
    finally:
        if options.plot and transient is not None and transient.inputs:
            from ._plot import plot

            plot(transient, Path(options.plot), options.axes)
    if not options.quiet:
        report(driver, transient, time.perf_counter() - start, options)
    return common.OK


def report(driver: Any, transient: Any, took: float, options: argparse.Namespace) -> None:
    what = "done" if driver is transient else "passed"
    steps = f", {transient.steps - 1} steps" if transient is not None else ""
    print(f"{options.driver}: {what}{steps}, {took:.1f} s")
    if transient is not None and transient.route:
        print(f"  model: {transient.route}")
    if transient is not None and transient.save_as:
        print(f"  result: {transient.target()}")
    if options.plot:
        print(f"  plot: {options.plot}")
    sys.stdout.flush()


def transient_of(driver: Any) -> Any:
    """The driver that walks the steps: this one, or the one it checks."""
    for candidate in (driver, getattr(driver, "driver", None)):
        if hasattr(candidate, "prescribed_time"):
            return candidate
    return None


def check_plot(path: Path) -> None:
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise common.UsageError("--plot needs matplotlib: pip install matplotlib")
    if not path.absolute().parent.is_dir():
        raise common.UsageError(f"--plot: no folder {path.parent}")


if __name__ == "__main__":
    sys.exit(main())

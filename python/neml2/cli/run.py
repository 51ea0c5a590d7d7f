# SPDX-License-Identifier: MIT
"""neml2-run: run a driver of an input file."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
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
        "drivers",
        metavar="DRIVER",
        nargs="*",
        default=[],
        help="name of a block in [Drivers] (default: the only one); several are run one after the other",
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
    parser.add_argument("--plot", metavar="OUT.png", help="draw the histories of all runs (needs matplotlib)")
    parser.add_argument(
        "--axes",
        metavar="X:Y",
        action="append",
        default=[],
        help="what to draw: variables, their components, or time, e.g. time:stress or strain.xx:stress.xx (repeatable; "
        "default: outputs over what drives them, and what varies over time)",
    )
    parser.add_argument(
        "--unit",
        metavar="NAME=UNIT",
        action="append",
        default=[],
        help="unit in the picture, e.g. stress=MPa (repeatable)",
    )
    parser.add_argument(
        "--add",
        metavar="FILE.csv",
        type=Path,
        action="append",
        default=[],
        help="draw this table too, whose columns have the names of --axes: an experiment, or what a driver saved "
        "(repeatable)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = arguments()
    options = parser.parse_intermixed_args(argv)
    words = options.drivers + options.overrides
    options.overrides = [word for word in words if "=" in word]
    options.drivers = [word for word in words if "=" not in word]
    for option in ("axes", "unit", "add"):
        if getattr(options, option) and not options.plot:
            parser.error(f"--{option} needs --plot")
    return common.run(PROG, lambda: command(options))


def command(options: argparse.Namespace) -> int:
    warnings.formatwarning = lambda message, *_, **__: f"{PROG}: warning: {message}\n"
    source = common.load(options.file, options.overrides, options.load)
    device, dtype = common.set_numbers(options.device, options.dtype)
    names = list(dict.fromkeys(options.drivers)) or [common.only(source, "Drivers", "DRIVER")]
    common.require(source, "Drivers", names[0])
    for name in names[1:]:
        if not source.has("Drivers", name):
            raise common.UsageError(f"'{name}' is no override, BLOCK/OPTION:=VALUE, and no driver of {source.path}")
    if options.plot:
        check_plot(Path(options.plot))
    drivers = {name: source.get_driver(name) for name in names}
    for name, driver in drivers.items():
        transient = transient_of(driver)
        set_parameters(getattr(transient or driver, "model", None), options.parameter)
        if transient is not None and (device.type, options.dtype) != ("cpu", "float64"):
            transient.to(device=device, dtype=dtype)
        if options.plot and transient is None:
            raise common.UsageError(f"--plot draws histories, but [Drivers/{name}] is a {type(driver).__name__}")
    common.hint_at_tolerances(PROG, source, options.dtype)
    return execute(drivers, options)


def execute(drivers: dict[str, Any], options: argparse.Namespace) -> int:
    draw = picture(drivers, options) if options.plot else lambda: None
    try:
        for name, driver in drivers.items():
            run(name, driver, options)
    finally:
        draw()
    if options.plot and not options.quiet:
        print(f"picture: {options.plot}")
    return common.OK


def run(name: str, driver: Any, options: argparse.Namespace) -> None:
    from ..drivers.progress import reporter

    start, transient = time.perf_counter(), transient_of(driver)
    eager = {"eager": options.eager} if transient is not None else {}
    with common.told(PROG, options.quiet):
        driver.run(reporter(name, options.quiet), **eager)
    if not options.quiet:
        report(name, driver, transient, time.perf_counter() - start)


def picture(drivers: dict[str, Any], options: argparse.Namespace) -> Callable[[], None]:
    """What draws the runs there are; raises UsageError now for what it could not draw then."""
    from . import _plot

    transients = {name: transient_of(driver) for name, driver in drivers.items()}
    first = next(iter(transients.values()))
    panels, units = _plot.pairs(options.axes, first.results), _plot.units(options.unit, first.results)
    tables = [_plot.table(path) for path in options.add]

    def draw() -> None:
        done = [_plot.curves(name, transient) for name, transient in transients.items() if transient.inputs]
        if done:
            _plot.plot([*done, *tables], panels or _plot.default_pairs(first, done[0]), Path(options.plot), units)

    return draw


def report(name: str, driver: Any, transient: Any, took: float) -> None:
    what = "done" if driver is transient else "passed"
    steps = f", {transient.steps - 1} steps" if transient is not None else ""
    print(f"{name}: {what}{steps}, {took:.1f} s")
    if transient is not None and transient.route:
        print(f"  model: {transient.route}")
    if transient is not None and transient.save_as:
        print(f"  result: {transient.target()}")
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
    from ._plot import check_format

    check_format(path)


if __name__ == "__main__":
    sys.exit(main())

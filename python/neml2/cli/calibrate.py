# SPDX-License-Identifier: MIT
"""neml2-calibrate: fit parameters of a model to experiments."""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _common as common

if TYPE_CHECKING:
    from ..calibration import Fit, LeastSquares

PROG = "neml2-calibrate"
DESCRIPTION = """Fit parameters of a model to experiments, as a block of type LeastSquares in [Calibration] says, and
write an input file with the values that were found. Exit status: 0 it succeeded, 1 it did not, 2 bad usage."""
EPILOG = """\
examples:
  neml2-calibrate input.i                           the only fit of the file; writes input_fitted.i
  neml2-calibrate input.i fit -o steel.i            the fit 'fit'; writes steel.i
  neml2-calibrate input.i --plot fit.png            and draws data and fit of every experiment
  neml2-calibrate input.i Calibration/fit/starts:=5
"""


def arguments() -> argparse.ArgumentParser:
    parser = common.parser(PROG, DESCRIPTION, EPILOG)
    common.add_file_arguments(parser)
    parser.add_argument(
        "fit", metavar="FIT", nargs="?", help="name of a block of type LeastSquares (default: the only one)"
    )
    common.add_overrides(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT.i",
        type=Path,
        help="input file to write (default: FILE with _fitted in its name)",
    )
    parser.add_argument("--plot", metavar="OUT.png", help="draw data and fit of every experiment (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors alone")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_intermixed_args(argv)
    return common.run(PROG, lambda: command(options))


def command(options: argparse.Namespace) -> int:
    warnings.formatwarning = lambda message, *_, **__: f"{PROG}: warning: {message}\n"
    if options.fit is not None and "=" in options.fit:
        options.overrides, options.fit = [options.fit, *options.overrides], None
    source = common.load(options.file, options.overrides, options.load)
    task = _task(source, options.fit)
    if options.plot:
        from .run import check_plot

        check_plot(Path(options.plot))
    start = time.perf_counter()
    with common.told(PROG, options.quiet), _Shown(task, options.quiet) as told:
        fit = task.run(told)
    path = fit.save(options.output or source.path.with_name(f"{source.path.stem}_fitted{source.path.suffix}"))
    if options.plot:
        draw(fit, Path(options.plot))
    if options.json:
        print(json.dumps(plain(fit, path), indent=1))
    elif not options.quiet:
        print(f"{task.name}: done, {time.perf_counter() - start:.1f} s\n\n{fit.report()}\n\nfitted model: {path}")
        if options.plot:
            print(f"picture: {options.plot}")
    return common.OK


def _task(source: Any, name: str | None) -> LeastSquares:
    """The fit that is meant. Raises UsageError."""
    from ..errors import listing

    fits = [n for n in source.names("Calibration") if source.type_of("Calibration", n) == "LeastSquares"]
    if name is None and len(fits) != 1:
        there = f"there are: {listing(fits)}" if fits else "there is none; expected a block of type LeastSquares"
        raise common.UsageError(f"{source.path}: say which fit of [Calibration] is meant, as FIT; {there}")
    name = fits[0] if name is None else name
    common.require(source, "Calibration", name)
    if name not in fits:
        text = f"[Calibration/{name}] is a {source.type_of('Calibration', name)}, no LeastSquares"
        raise common.UsageError(f"{source.path}: {text}; fits are: {listing(fits)}")
    return source.get("Calibration", name)


class _Shown:
    """Progress: a line that a terminal redraws, or one each ten iterations elsewhere."""

    def __init__(self, task: LeastSquares, quiet: bool) -> None:
        self._label, self._quiet, self._terminal = task.name, quiet, sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, float, int], None]:
        if self._terminal and not self._quiet:
            from tqdm import tqdm

            self._bar = tqdm(desc=self._label, unit="it", file=sys.stderr, leave=False)
        return self._tell

    def _tell(self, iteration: int, cost: float, going: int) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"least sum of squares {2 * cost:.4g}, {going} starts go on")
            self._bar.update(iteration - self._bar.n)
        elif not self._quiet and iteration % 10 == 0:
            text = f"iteration {iteration}, least sum of squares {2 * cost:.4g}, {going} starts go on"
            print(f"{self._label}: {text}", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def draw(fit: Fit, path: Path) -> None:
    """Data and fit, a panel for each experiment and output: over what drives it and has its component, else over
    time."""
    from ._plot import Curves, fitted

    panels = []
    for experiment in fit.task.experiments:
        table = experiment.table
        for target in experiment.targets(fit.task.model):
            model = fit.predictions[experiment.name][target.label]
            component = target.label.rpartition(".")[2]
            driving = [c for c in table if "." in target.label and c.endswith(f".{component}") and c != target.label]
            x = next((c for c in driving if "strain" in c), experiment.time)
            data, found = Curves("data", {x: table[x][:, None], "y": target.values[:, None]}), None
            found = Curves("fit", {x: table[x][:, None], "y": model[:, None]})
            panels.append((experiment.name, x, target.label, data, found))
    fitted(panels, path)


def plain(fit: Fit, path: Path) -> dict[str, Any]:
    """The fit as data of JSON."""
    import math

    def number(value: float) -> float | None:
        return float(value) if math.isfinite(value) else None

    return {
        "parameters": {
            name: {
                "value": float(fit.values[k]),
                "standard_error": number(fit.standard_errors[k]),
                "at_bound": bool(fit.at_bound[k]),
                "initial": float(fit.task.initial[k]),
            }
            for k, name in enumerate(fit.names)
        },
        "correlations": [[number(c) for c in row] for row in fit.correlations],
        "rms": {f"{experiment} {output}": value for (experiment, output), value in fit.rms().items()},
        "sum_of_squares": fit.sum_of_squares,
        "residuals": len(fit.residual),
        "starts": [{"sum_of_squares": number(2 * o.cost), "status": o.status} for o in fit.starts],
        "warnings": fit.warnings,
        "fitted_model": str(path),
    }


if __name__ == "__main__":
    sys.exit(main())

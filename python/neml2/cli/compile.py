# SPDX-License-Identifier: MIT
"""`neml2-compile`: compile a model of an input file into a package for C++ and Python."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import _common as common

if TYPE_CHECKING:
    from neml2.compiler.compile import Progress, Result

PROG = "neml2-compile"

EPILOG = """\
examples:
  neml2-compile input.i --model elasticity                      forward evaluation only
  neml2-compile input.i --model elasticity -d stress:strain     with the tangent d(stress)/d(strain)
  neml2-compile input.i --model elasticity -d : -d :E -p E      derivatives by all inputs and E, mutable at run time
  neml2-compile input.i --model elasticity -d sigma:eps --rename-input strain:eps --rename-output stress:sigma
  neml2-compile input.i --model elasticity --backend native "Models/elasticity/coefficients:='100e3 0.3'"
  neml2-compile input.i --model elasticity --backend native --interface umat --law STEEL   libSTEEL.so for hosts
"""


def parser() -> argparse.ArgumentParser:
    p = common.parser(PROG, __doc__ or "", EPILOG)
    add = p.add_argument
    add("input", help="input file")
    common.add_overrides(p)
    add("--model", "-m", help="name of the model in [Models] (default: the only one)")
    add("--output-dir", "-o", type=Path, default=Path("aoti"), metavar="DIR", help="default: aoti/")
    add("--device", nargs="+", default=["cpu"], metavar="DEVICE", help="cpu, cuda, or several (default: cpu)")
    add("--dtype", choices=("float64", "float32"), default="float64", help="default: float64")
    add("-p", "--parameter", action="append", default=[], metavar="NAME", help="keep this parameter mutable at run "
        "time; the end of its qualified name behind a dot will do where only one ends so; may be repeated")  # fmt: skip
    add("-d", "--derivative", action="append", default=[], metavar="OUT:IN", help="include d(OUT)/d(IN); a side left "
        "out means all; what is renamed goes by its new name; may be repeated")  # fmt: skip
    for kind in ("input", "output", "parameter"):
        lags = "" if kind == "parameter" else "; earlier values (X~1) follow unless they are named themselves"
        add(f"--rename-{kind}", action="append", default=[], metavar="OLD:NEW", help=f"call this {kind} NEW in the "
            f"package{lags}; may be repeated")  # fmt: skip
    add("--backend", choices=("aoti", "native"), default="aoti", help="aoti: AOT-Inductor graphs, any device; native: "
        "one C++ kernel, the fastest on CPUs (default: aoti)")  # fmt: skip
    add("--isa", action="append", default=[], choices=("native", "avx512", "avx2", "generic"), help="CPU instructions "
        "to use (default: native, those of this CPU); may be repeated with --backend native, whose packages hold "
        "several kernels to choose from")  # fmt: skip
    add("--interface", action="append", default=[], choices=("c", "umat", "mfront"), help="in place of a package, a "
        "shared object for hosts that know nothing of neml2, with a header: c: neml2/native/Kernel.h; umat: Abaqus, "
        "CalculiX, MOOSE; mfront: the generic behaviour that MGIS loads; may be repeated")  # fmt: skip
    add("--law", metavar="NAME", help="what hosts call the model (default: as the input file)")
    add("--source", action="store_true", help="write the source of such an object beside it")
    add("-j", "--jobs", type=int, metavar="N", help="kernels to compile side by side (default: all cores)")
    common.add_load(p)
    add("-q", "--quiet", action="store_true", help="no progress, no summary")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when the package is written, 2 with one line on stderr when it is not."""
    options = parser().parse_intermixed_args(arguments)
    options.overrides += [d for d in options.device if "=" in d]
    options.device = [d for d in options.device if "=" not in d] or ["cpu"]
    # nothing was written unless all went well: whatever was at fault, the request could not be met
    return common.run(PROG, lambda: command(options), failed=common.USAGE)


def command(options: argparse.Namespace) -> int:
    from neml2.compiler.compile import Options, compile_input
    from neml2.drivers.sites import sub_batch_shapes

    source = common.load(options.input, options.overrides, options.load)
    model = options.model or common.only(source, "Models", "--model NAME")
    chosen = Options(
        model,
        options.output_dir,
        options.device,
        options.dtype,
        options.parameter,
        options.derivative,
        options.isa,
        options.jobs,
        options.backend,
        sub_batch_shapes(source, model),
        options.rename_input,
        options.rename_output,
        options.rename_parameter,
        options.interface,
        options.law,
        options.source,
    )
    result = compile_input(source, chosen, (lambda *_: None) if options.quiet else progress())
    common.hint_at_tolerances(PROG, source, options.dtype)
    if not options.quiet:
        print_summary(result, chosen.model)
    return common.OK


def progress() -> Progress:
    """A bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():

        def line(name: str, done: int, total: int, seconds: float) -> None:
            print(f"[{done}/{total}] {seconds:5.1f} s  {name or 'done'}", file=sys.stderr, flush=True)

        return line
    from tqdm import tqdm

    layout = "{desc} {bar} {n}/{total} {elapsed} {postfix}"
    bar = tqdm(unit="kernel", desc="compiling", leave=False, bar_format=layout)

    def advance(name: str, done: int, total: int, seconds: float) -> None:
        bar.total = total
        bar.set_postfix_str(name, refresh=False)
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return advance


def print_summary(result: Result, model: str) -> None:
    """The lines that say what was written."""
    traits = [f"{result.implicit} implicit segment(s)"] if result.implicit else ["composed"]
    traits.append(f"{len(result.promoted)} promoted parameter(s)" if result.promoted else "fully baked")
    if result.pairs:
        traits.append(f"{len(result.pairs)} derivative pair(s)")
    if result.law:
        print(f"Compiled '{model}' ({', '.join(traits)}) -> {result.law[0].parent}")
        for path in result.law:
            print(f"  {path.name}")
        return
    devices = ", ".join(result.metadata)
    print(f"Compiled '{model}' ({', '.join(traits)}) for [{devices}] -> {result.folder}")
    print(f"  stub: {result.stub}")
    for device, path in result.metadata.items():
        print(f"  {device}: {path}")


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""neml2-cache: what compiled files are kept between runs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from ..compiler.package import kernel_cache
from . import _common as common

PROG = "neml2-cache"
DESCRIPTION = """Show or remove the compiled files that are kept between runs: kernels of packages ("kernels"), and
functions and driven models compiled when first used ("jit"). They are kept below $NEML2_CACHE_DIR, else the user's
cache folder, and what was used longest ago is removed above a limit. Removing them costs nothing but the time to
compile again."""
EPILOG = """\
examples:
  neml2-cache list
  neml2-cache path --kind kernels
"""


def arguments() -> argparse.ArgumentParser:
    parser = common.parser(PROG, DESCRIPTION, EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in (
        ("list", "size, time since last use and description of each file, used last first"),
        ("clear", "remove them"),
        ("path", "print where they are"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("--kind", choices=tuple(kernel_cache.LIMITS), help="only these (default: all)")
        if name == "list":
            command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    commands = {"list": list_entries, "clear": clear, "path": path}
    return common.run(PROG, lambda: commands[options.command](options))


def kinds(options: argparse.Namespace) -> list[str]:
    return [options.kind] if options.kind else list(kernel_cache.LIMITS)


def list_entries(options: argparse.Namespace) -> int:
    found = [entry for kind in kinds(options) for entry in kernel_cache.entries(kind)]
    now = time.time()
    if options.json:
        rows = [
            {"kind": e.kind, "path": str(e.path), "bytes": e.size, "unused_s": round(now - e.used), "what": e.what}
            for e in found
        ]
        print(json.dumps(rows, indent=1))
        return common.OK
    for entry in found:
        print(f"{size(entry.size):>9}  {age(now - entry.used):>5}  {entry.kind:<7}  {entry.what}")
    for kind in kinds(options):
        here = [e for e in found if e.kind == kind]
        limit = size(kernel_cache.LIMITS[kind])
        total = size(sum(e.size for e in here))
        print(f"{kind}: {len(here)} files, {total} of {limit}, in {kernel_cache.folder(kind)}")
    return common.OK


def clear(options: argparse.Namespace) -> int:
    for kind in kinds(options):
        count, total = kernel_cache.clear(kind)
        print(f"{kind}: removed {count} files, {size(total)}")
    return common.OK


def path(options: argparse.Namespace) -> int:
    print(kernel_cache.folder(options.kind) if options.kind else kernel_cache.root())
    return common.OK


def size(count: float) -> str:
    """Bytes in words: `12.3 KiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def age(seconds: float) -> str:
    """A time span in its largest unit: `3 h`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


if __name__ == "__main__":
    sys.exit(main())

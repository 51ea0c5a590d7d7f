# SPDX-License-Identifier: MIT
"""neml2-syntax: the types an input file can use, with their options."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _common as common

PROG = "neml2-syntax"
DESCRIPTION = "List the types an input file can use; with TYPE, show their options, variables and parameters."
SECTIONS = ("Models", "EquationSystems", "Solvers", "Drivers", "Calibration", "Data", "Tensors")
EPILOG = """\
examples:
  neml2-syntax                                      all types
  neml2-syntax LinearIsotropicElasticity Newton     options of two of them
  neml2-syntax --search hardening
  neml2-syntax --section Models --html syntax.html
"""


def arguments() -> argparse.ArgumentParser:
    parser = common.parser(PROG, DESCRIPTION, EPILOG)
    parser.add_argument("types", metavar="TYPE", nargs="*", help="types to show in full")
    parser.add_argument("--section", choices=SECTIONS, help="only types of this section")
    parser.add_argument("--search", metavar="TEXT", help="only types with TEXT in name, description or an option")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", metavar="OUT.html", help="write one page with equations and a search")
    common.add_load(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    return common.run(PROG, lambda: command(options))


def command(options: argparse.Namespace) -> int:
    common.load_extensions(options.load)
    found = [entry for section in SECTIONS if options.section in (None, section) for entry in entries(section)]
    if options.types:
        found = pick(found, options.types)
    if options.search:
        found = [entry for entry in found if matches(entry, options.search)]
    if options.html:
        write_page(found, Path(options.html))
    elif options.json:
        print(json.dumps(found, indent=1))
    elif options.types:
        print("\n\n".join(full(entry) for entry in found))
    else:
        print(overview(found) or "nothing found")
    return common.OK


def write_page(found: list[dict[str, Any]], path: Path) -> None:
    from .. import __version__
    from ._html import page

    if not path.absolute().parent.is_dir():
        raise common.UsageError(f"--html: no folder {path.parent}")
    path.write_text(page([{**entry, **details(entry)} for entry in found], __version__), encoding="utf-8")
    print(f"{path}: {len(found)} types")


def details(entry: dict[str, Any]) -> dict[str, Any]:
    """What the page shows beyond the listing: parts of the equations, symbols of the options, the code."""
    from ..hit import REGISTRIES
    from ._equations import argument_symbols, equations, names_in
    from ._forward import source_of_forward

    cls = REGISTRIES[entry["section"]].lookup(entry["name"])
    model = entry["section"] == "Models"
    parts = equations(cls) if model else []
    used = names_in(parts)
    symbols = argument_symbols(cls) if model else {}
    return {
        "summary": first_sentence(entry["description"], 200),
        "symbols": {option: symbol for option, symbol in symbols.items() if symbol in used},
        "equation_parts": [vars(equation) for equation in parts],
        "forward": source_of_forward(cls) if model else "",
    }


GROUPS = {"neml2.models": "composition", "neml2.equations": "implicit updates", "neml2.aoti": "compiled models"}


def group(cls: Any) -> str:
    """The physics a model belongs to: its folder."""
    package, _, rest = cls.__module__.partition(".models.")
    folder, inside, _ = rest.partition(".")
    if package == "neml2" and inside:
        return folder.replace("_", " ")
    return GROUPS.get(".".join(cls.__module__.split(".")[:2]), "extensions")


def entries(section: str) -> list[dict[str, Any]]:
    """All types of a section as plain data."""
    from ..hit import REGISTRIES

    registry = REGISTRIES[section]
    found = []
    for name in registry.names():
        try:
            cls = registry.lookup(name)
        except ImportError:  # needs the compiled library, which is not there
            continue
        if getattr(cls, "AVAILABLE", True):
            found.append(entry_of(section, name, cls))
    return found


def entry_of(section: str, name: str, cls: Any) -> dict[str, Any]:
    from ._equations import equations

    describe = getattr(cls, "describe_options", list)
    description = inspect.cleandoc(cls.__doc__ or "")
    return {
        "name": name,
        "section": section,
        "group": group(cls) if section == "Models" else "",
        "description": description,
        "equations": [str(equation) for equation in equations(cls)] if section == "Models" else [],
        "options": [plain(row) for row in describe()],
    }


def plain(row: dict[str, Any]) -> dict[str, Any]:
    from ..hit import REQUIRED

    result = {key: value for key, value in row.items() if key != "default"}
    result["required"] = row["default"] is REQUIRED
    result["default"] = None if row["default"] is REQUIRED else jsonable(row["default"])
    return result


def jsonable(value: Any) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return str(value)


def pick(found: list[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    from ..errors import suggestion

    known = [entry["name"] for entry in found]
    for name in names:
        if name not in known:
            hint = suggestion(name, known) or "; neml2-syntax lists all"
            raise common.UsageError(f"no type '{name}'{hint}")
    return [entry for entry in found if entry["name"] in names]


def matches(entry: dict[str, Any], text: str) -> bool:
    words = [entry["name"], entry["description"], *(row["name"] or "" for row in entry["options"])]
    return any(text.lower() in word.lower() for word in words)


def overview(found: list[dict[str, Any]]) -> str:
    parts = []
    for section in SECTIONS:
        rows = [entry for entry in found if entry["section"] == section]
        if rows:
            width = max(len(entry["name"]) for entry in rows)
            lines = [f"  {entry['name']:<{width}}  {first_sentence(entry['description'])}".rstrip() for entry in rows]
            parts.append("\n".join([f"[{section}]", *lines]))
    return "\n\n".join(parts)


def first_sentence(description: str, limit: int = 80) -> str:
    paragraph = " ".join(description.split("\n\n")[0].split())
    return textwrap.shorten(paragraph, limit, placeholder=" ...")


def full(entry: dict[str, Any]) -> str:
    lines = [f"{entry['name']}  [{entry['section']}]", textwrap.indent(entry["description"], "  ")]
    if entry["equations"]:
        lines += ["  equations:", *(f"    {equation}" for equation in entry["equations"])]
    for role in dict.fromkeys(row["role"] for row in entry["options"]):
        lines.append(f"  {role}:")
        rows = [
            [row["name"] or "", row["kind"], default_text(row), notes(row)]
            for row in entry["options"]
            if row["role"] == role
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines += ["    " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(line for line in lines if line.strip())


def default_text(row: dict[str, Any]) -> str:
    if row["required"]:
        return "required"
    if row["default"] is None:
        return "none"
    return "''" if row["default"] in ("", []) else str(row["default"])


def notes(row: dict[str, Any]) -> str:
    words = []
    if row.get("derived"):
        words.append("follows other names")
    if row.get("registered") and row["registered"] != row["name"]:
        words.append(f"registered as {row['registered']}")
    if row.get("promotable"):
        words.append("promotable")
    return ", ".join(words)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""All types on one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from . import _mathml
from ._equations import Equation, render, typeset

ROLES = {
    "option": "options",
    "reference": "references",
    "tensor": "tensors",
    "input": "inputs",
    "inputs": "lists of inputs",
    "output": "outputs",
    "parameter": "parameters",
    "parameters": "lists of parameters",
}


def page(entries: Sequence[dict[str, Any]], version: str) -> str:
    """The page. `entries` as `neml2-syntax --json` prints them."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        groups.setdefault((entry["section"], entry["group"]), []).append(entry)
    groups = dict(sorted(groups.items(), key=lambda item: _rank(*item[0])))
    navigation = "".join(_links(section, group, rows) for (section, group), rows in groups.items())
    sections = "".join(_section(section, group, rows) for (section, group), rows in groups.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>neml2 input file syntax</title>
<style>
{_asset("syntax.css")}</style>
</head>
<body>
<header>
<strong>neml2 input files <small>{escape(version)}</small></strong>
<input id="search" type="search" placeholder="Search names, options, text. Press / to come here" aria-label="Search"
 autocomplete="off" spellcheck="false">
<span id="count" aria-live="polite"></span>
</header>
<div class="columns">
<nav aria-label="Types">{navigation}</nav>
<main>
<p id="nothing" hidden>Nothing matches.</p>
{sections}</main>
</div>
<script>
{_asset("syntax.js")}</script>
</body>
</html>
"""


SECTIONS = ("Models", "EquationSystems", "Solvers", "Drivers", "Calibration", "Data", "Tensors")
FIRST = ("composition", "implicit updates", "compiled models", "common")


def _rank(section: str, group: str) -> tuple:
    place = FIRST.index(group) if group in FIRST else len(FIRST) + (group == "extensions")
    return (SECTIONS.index(section), place, group)


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _title(section: str, group: str) -> str:
    title = f"[{escape(section)}]"
    return f"{title}<small>{escape(group)}</small>" if group else title


def _links(section: str, group: str, rows: Sequence[dict[str, Any]]) -> str:
    links = "".join(f'<a href="#{escape(row["name"])}">{escape(row["name"])}</a>' for row in rows)
    heading = f"{section}, {group}" if group else section
    return f"<div><h2>{escape(heading)}</h2>{links}</div>"


def _section(section: str, group: str, rows: Sequence[dict[str, Any]]) -> str:
    return f"<section><h2>{_title(section, group)}</h2>\n{''.join(_card(row) for row in rows)}</section>\n"


def _card(entry: dict[str, Any]) -> str:
    name = entry["name"]
    return (
        f'<article id="{escape(name)}" data-text="{escape(_words(entry))}">\n'
        f'<h3><a href="#{escape(name)}">{escape(name)}</a></h3>\n'
        f"{prose(entry)}{equations(entry)}{table(entry)}{code(entry)}</article>\n"
    )


def _words(entry: dict[str, Any]) -> str:
    """What the search looks at."""
    words = [entry["name"], entry["section"], entry["group"], " ".join(entry["description"].split())]
    words += [str(equation) for equation in entry["equations"]]
    for row in entry["options"]:
        words += [str(row["name"]), str(row["kind"]), str(row.get("registered") or "")]
    return " ".join(dict.fromkeys(word for word in words if word))


# -- the parts of a card, which the documentation site shows too ---------------------------------------------------


def prose(entry: dict[str, Any]) -> str:
    symbols = frozenset(entry["symbols"].values())
    first, *rest = entry["description"].split("\n\n")
    more = "".join(f'<p class="more">{typeset(" ".join(part.split()), symbols)}</p>' for part in rest)
    return (f"<p>{typeset(' '.join(first.split()), symbols)}</p>" if first else "") + more + "\n"


def equations(entry: dict[str, Any]) -> str:
    symbols = frozenset(entry["symbols"].values())
    rows = [render(Equation(**parts), symbols) for parts in entry["equation_parts"]]
    if not rows and entry["section"] == "Models":
        rows = [f"<code>{escape(entry['summary'] or entry['name'])}</code>"]
    lines = "".join(f"<div>{row}</div>" for row in rows)
    return f'<div class="equations">{lines}</div>\n' if rows else ""


def table(entry: dict[str, Any]) -> str:
    if not entry["options"]:
        return ""
    lines = []
    for role in dict.fromkeys(row["role"] for row in entry["options"]):
        lines.append(f'<tr><th colspan="5">{escape(ROLES.get(role, role))}</th></tr>')
        lines += [_row(row, entry["symbols"]) for row in entry["options"] if row["role"] == role]
    return f'<div class="scroll"><table>\n{"".join(lines)}</table></div>\n'


def _row(row: dict[str, Any], symbols: dict[str, str]) -> str:
    name = str(row["name"] or "")
    symbol = symbols.get(name, "")
    shown = f"<math>{_mathml.identifier(symbol)}</math>" if symbol else ""
    cells = [f"<code>{escape(name)}</code>", shown, escape(str(row["kind"])), _default(row), _tags(row)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _default(row: dict[str, Any]) -> str:
    if row["required"]:
        return '<span class="required">required</span>'
    if row["default"] is None:
        return "none"
    return f"<code>{escape(str(row['default']))}</code>" if row["default"] not in ("", []) else "<code>''</code>"


def _tags(row: dict[str, Any]) -> str:
    tags = ["follows other names"] if row.get("derived") else []
    if row.get("promotable"):
        tags.append("promotable")
    if row.get("registered") and row["registered"] != row["name"]:
        tags.append(f"registered as {row['registered']}")
    return "".join(f'<span class="tag">{escape(tag)}</span>' for tag in tags)


def code(entry: dict[str, Any]) -> str:
    if not entry["forward"]:
        return ""
    return f"<details><summary>as computed</summary><pre>{escape(entry['forward'].rstrip())}</pre></details>\n"

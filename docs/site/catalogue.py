# SPDX-License-Identifier: MIT
"""The types an input file can use, from the registry that `neml2-syntax` lists: one page for each group."""

from __future__ import annotations

import re
from typing import Any

from example import example

from neml2.cli import _html, syntax

TITLES = {
    ("Models", "composition"): "Composition of models",
    ("Models", "implicit updates"): "Implicit updates",
    ("Models", "compiled models"): "Compiled models",
    ("Models", "common"): "Mathematics and tensors",
    ("EquationSystems", ""): "Equation systems",
    ("Tensors", ""): "Tensors of input files",
}
OPENING = """# Catalogue of types

What an input file can say after `type =`. Equations, options and defaults are taken from the code, so that
`neml2-syntax TYPE` prints the same, and `neml2-syntax --html` puts all on one page. Examples hold what
must be given, and names of variables, which may be others.

"""


def pages() -> dict[str, str]:
    """Path -> text, with `catalogue/index.md`."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for section in syntax.SECTIONS:
        for entry in syntax.entries(section):
            groups.setdefault((section, entry["group"]), []).append({**entry, **syntax.details(entry)})
    groups = dict(sorted(groups.items(), key=lambda item: _html._rank(*item[0])))
    found = {f"catalogue/{slug(*key)}.md": page(*key, rows) for key, rows in groups.items()}
    return {"catalogue/index.md": index(groups), **found}


def title(section: str, group: str) -> str:
    return TITLES.get((section, group)) or (group.capitalize() if group else section)


def slug(section: str, group: str) -> str:
    return "-".join([section.lower(), *group.split()])


def index(groups: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    tree = "\n".join(f"{slug(*key)}" for key in groups)
    parts = [OPENING, f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n"]
    for key, rows in groups.items():
        links = "\n".join(f"[{row['name']}](#type-{row['name']})\n: {summary(row)}\n" for row in rows)
        parts.append(f"## {title(*key)}\n\n`[{key[0]}]`, [{count(rows)}]({slug(*key)}.md)\n\n{links}")
    return "\n".join(parts)


def summary(entry: dict[str, Any]) -> str:
    """A line of plain text."""
    parts = re.split(r"(`[^`]+`)", syntax.first_sentence(entry["description"], 150))
    parts[::2] = [re.sub(r"([\\`*_<>\[\]$|~{}:#])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def count(rows: list[dict[str, Any]]) -> str:
    return "one type" if len(rows) == 1 else f"{len(rows)} types"


def page(section: str, group: str, rows: list[dict[str, Any]]) -> str:
    parts = [f"# {title(section, group)}\n\nSection `[{section}]` of an input file: {count(rows)}.\n"]
    return "\n".join([*parts, *(card(row) for row in rows)])


def card(entry: dict[str, Any]) -> str:
    name = entry["name"]
    body = "\n".join([_html.prose(entry), _html.equations(entry), _html.table(entry), _html.code(entry)])
    body = "\n".join(line for line in body.split("\n") if line.strip())
    return f"(type-{name})=\n\n## {name}\n\n{raw(body)}\n```hit\n{example(entry)}\n```\n"


def raw(html: str) -> str:
    return f"``````{{raw}} html\n{html}\n``````\n"

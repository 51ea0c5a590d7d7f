# SPDX-License-Identifier: MIT
"""How the package is built: who imports whom, inside functions too; what only type checkers see does not count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import neml2

PACKAGE = Path(neml2.__file__).parent
ROOMS = {
    "graph": set(),
    "package": set(),
    "frontend": {"graph"},
    "plan": {"graph", "frontend"},
    "backends.aoti": {"graph", "plan", "package"},
    "backends.native": {"graph", "plan", "package"},
}
"""Room of the compiler -> those that it may use."""


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("neml2", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the package that a module imports."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in _statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            inner = {f"{base}.{alias.name}" for alias in node.names}
            found |= {m if m in known else base for m in inner}
    return (found & set(known)) - {name}


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _statements(child)


@cache
def graph() -> dict[str, set[str]]:
    return {name: imports(name, path, modules()) for name, path in modules().items()}


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_one_another():
    assert len(graph()) > 100
    assert circle(graph()) == []


def test_a_circle_is_found(tmp_path):
    known = {name: tmp_path / f"{name.split('.')[-1]}.py" for name in ("neml2.a", "neml2.b", "neml2.c")}
    known["neml2.a"].write_text("from neml2 import b\n")
    known["neml2.b"].write_text("def f():\n    from .c import x\n")
    known["neml2.c"].write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import neml2.a\n")
    assert circle({n: imports(n, p, known) for n, p in known.items()}) == []
    known["neml2.c"].write_text("import neml2.a\n")
    assert set(circle({n: imports(n, p, known) for n, p in known.items()})) == set(known)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_compiler_uses_what_is_before_it(room):
    def room_of(module: str) -> str | None:
        inside = module.removeprefix("neml2.compiler.")
        return next((r for r in ROOMS if inside == r or inside.startswith(f"{r}.")), None)

    used = {m for name, found in graph().items() if room_of(name) == room for m in found}
    inside = {m for m in used if m.startswith("neml2.compiler") and room_of(m) != room}
    assert {room_of(m) or m for m in inside} <= ROOMS[room]
    assert not {m for m in used if m.startswith(("neml2.native", "neml2.cli", "neml2.drivers"))}


def test_no_folder_of_the_compiler_is_crowded():
    compiler = PACKAGE / "compiler"
    folders = [compiler, *(p for p in compiler.rglob("*") if p.is_dir() and p.name != "__pycache__")]
    assert {str(f): n for f in folders if (n := len(list(f.glob("*.py")))) > 13} == {}

# SPDX-License-Identifier: MIT
"""What each ATen operation of a captured function means in scalar operations.

A tensor of one material point is a numpy array of point-graph nodes; views and reshapes are numpy's own. The tables
are closed: an operation that is not in them cannot be lowered, and `Unsupported` says which one it was and what comes
nearest. `docs/operations.md` is made from them.
"""

from __future__ import annotations

import operator
from typing import Any

from neml2.compiler.frontend.aten.algebra import ALGEBRA
from neml2.compiler.frontend.aten.elementwise import ELEMENTWISE
from neml2.compiler.frontend.aten.indexing import INDEXING
from neml2.compiler.frontend.aten.missing import MISSING
from neml2.compiler.frontend.aten.reductions import REDUCTIONS
from neml2.compiler.frontend.aten.scalars import Handler, Nodes, Scalars, Unsupported
from neml2.compiler.frontend.aten.shapes import MAKING, MOVING

__all__ = [
    "ALGEBRA", "ELEMENTWISE", "HANDLERS", "KINDS", "MISSING", "MOVING", "REDUCTIONS",
    "Nodes", "Scalars", "Unsupported", "call", "missing", "name_of",
]  # fmt: skip

KINDS = {
    "Entry by entry": ELEMENTWISE,
    "Sums, extremes, norms, orders": REDUCTIONS,
    "Linear algebra": ALGEBRA,
    "Shapes, slices, joins": MOVING,
    "Indexing": INDEXING,
    "Filled later": MAKING,
}

HANDLERS: dict[str, Handler] = {name: handler for table in KINDS.values() for name, handler in table.items()}


def listing() -> str:
    """The tables in Markdown: operations by kind, then what is missing with what comes nearest."""
    lines: list[str] = []
    for kind, table in KINDS.items():
        names = sorted(n for n in table if not n.endswith(("_backward", "_backward_data")) and n not in ("hold",))
        shown = sorted({n.removeprefix("_unsafe").strip("_").removeprefix("linalg_") for n in names})
        lines += [f"**{kind}:** " + ", ".join(f"`{n}`" for n in shown) + "\n"]
    lines += ["| not supported | instead |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {instead} |" for name, instead in sorted(MISSING.items()))]) + "\n"


_IGNORED = ("_assert", "sym_constrain_range", "_assert_async")


def _name(target: Any) -> str:
    return target if isinstance(target, str) else getattr(target, "_opname", None) or str(target).split(".")[-1]


def missing(name: str) -> str:
    """Why there is no operation `name`, and what comes nearest."""
    instead = MISSING.get(name.strip("_").removesuffix("_copy"), "")
    return f"torch.{name.strip('_')} is not supported{': ' * bool(instead)}{instead} (docs/operations.md lists what is)"


def name_of(target: Any) -> str | None:
    """The operation's name in the tables; None if it is in none."""
    name = "" if target is operator.getitem else _name(target)
    return next((n for n in (name, name.removesuffix("_copy")) if n in HANDLERS), None)


def call(s: Scalars, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The scalar meaning of one operation of a trace. Raises Unsupported."""
    if target is operator.getitem:
        return args[0][args[1]]
    name = _name(target)
    if name.startswith(_IGNORED):
        return None
    handler = HANDLERS.get(name_of(target) or "")
    if handler is None:
        raise Unsupported(missing(name))
    keywords = {k: v for k, v in kwargs.items() if k not in ("device", "layout", "pin_memory", "memory_format")}
    if name != "_to_copy":
        keywords.pop("dtype", None)
    try:
        return handler(s, *args, **keywords)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise Unsupported(f"torch.{name.strip('_')} is not supported with these arguments ({error})") from error

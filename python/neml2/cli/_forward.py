# SPDX-License-Identifier: MIT
"""What a model's `forward` computes, as formulas in the notation of docstrings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

PRECEDENCE = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.MatMult: 2, ast.Pow: 4}
COMPARE = {ast.Gt: ">", ast.Lt: "<", ast.GtE: ">=", ast.LtE: "<=", ast.Eq: "="}
COMPARING = {"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "="}
KEPT = 160
"""Formulas longer than this many characters say less than the code."""


class _TooMuch(ValueError):
    """Code that is no formula."""


def source_of_forward(cls: Any) -> str:
    """The source of `forward`, '' if there is none of its own."""
    function = getattr(cls, "forward", None)
    if function is None or function.__qualname__.startswith("_forward_unimplemented"):
        return ""
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""


def equations_of_forward(cls: Any) -> list[tuple[str, str]]:
    """Pairs (formula, condition), one for each output and each named part; the code of the returned value where that
    is no plain formula; [] without a `forward`."""
    source = source_of_forward(cls)
    outputs = [str(row["name"] or "output") for row in cls.describe_options() if row["role"] == "output"]
    try:
        body = ast.parse(source).body[0].body  # type: ignore[attr-defined]
    except (SyntaxError, IndexError):
        return []
    try:
        return _walk(body, outputs)
    except _TooMuch:
        values = [node.value for node in body if isinstance(node, ast.Return) and node.value is not None]
        return [(f"{_together(outputs)} = {ast.unparse(value)}", "") for value in values[-1:]]


def _together(outputs: list[str]) -> str:
    return outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})" if outputs else "output"


def _walk(body: list[ast.stmt], outputs: list[str]) -> list[tuple[str, str]]:
    parts: list[tuple[str, str]] = []
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            parts += _assigned(statement.targets[0], statement.value)
        elif isinstance(statement, ast.Return) and statement.value is not None:
            return [*_returned(statement.value, outputs), *parts]
        else:
            raise _TooMuch
    raise _TooMuch


def _assigned(target: ast.expr, value: ast.expr) -> list[tuple[str, str]]:
    if isinstance(target, ast.Name):
        return _equation(target.id, value)
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=True)
        return [row for name, item in pairs for row in _assigned(name, item)]
    if isinstance(target, ast.Tuple):
        return _equation(f"({', '.join(_text(item) for item in target.elts)})", value)
    raise _TooMuch


def _returned(value: ast.expr, outputs: list[str]) -> list[tuple[str, str]]:
    if isinstance(value, ast.Tuple) and len(value.elts) == len(outputs):
        pairs = zip(outputs, value.elts, strict=True)
        return [row for name, item in pairs for row in _equation(name, item)]
    return _equation(_together(outputs), value)


def _equation(name: str, value: ast.expr) -> list[tuple[str, str]]:
    """`name = value`; alternatives become one equation each, with their conditions."""
    test, first, second = None, None, None
    if isinstance(value, ast.IfExp):
        test, first, second = value.test, value.body, value.orelse
    elif isinstance(value, ast.Call) and _called(value) == "where" and len(value.args) == 3:
        test, first, second = value.args
    if test is None or first is None or second is None:
        text = f"{name} = {_text(value)}"
        if len(text) > KEPT:
            raise _TooMuch
        return [(text, "")]
    left_out = _left_out(test)
    if left_out:
        return [(f"{name} = {_text(first)}", f"if {left_out} is left out"), (f"{name} = {_text(second)}", "otherwise")]
    first = _Given(test).visit(first)
    return [(f"{name} = {_text(first)}", f"where {_text(test)}"), *_otherwise(name, second)]


class _Given(ast.NodeTransformer):
    """Puts `a` for `where(test, a, b)` where `test` is known to hold."""

    def __init__(self, test: ast.expr) -> None:
        self.test = ast.dump(test)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if _called(node) == "where" and len(node.args) == 3 and ast.dump(node.args[0]) == self.test:
            return node.args[1]
        return node


def _otherwise(name: str, value: ast.expr) -> list[tuple[str, str]]:
    rows = _equation(name, value)
    return [
        (formula, f"else {condition}" if condition.startswith("where") else "elsewhere") for formula, condition in rows
    ]


def _left_out(test: ast.expr) -> str:
    """The name in `name is None`."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is) and isinstance(test.left, ast.Name):
        return test.left.id
    return ""


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id.lstrip("_")
    return call.func.attr.lstrip("_") if isinstance(call.func, ast.Attribute) else ""


def _text(node: ast.expr, outer: int = 0) -> str:
    """An expression in the notation of docstrings, parenthesised where its operator binds less than `outer`."""
    if isinstance(node, ast.Name):
        return node.id.lstrip("_")
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return f"{node.value:g}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        text = f"-{_text(node.operand, 2)}"
        return f"({text})" if outer > 2 else text
    if isinstance(node, ast.BinOp) and type(node.op) in PRECEDENCE:
        return _binary(node, outer)
    if isinstance(node, ast.Attribute):
        return _attribute(node)
    if isinstance(node, ast.Call):
        return _call(node, outer)
    if isinstance(node, ast.Tuple):
        return f"({', '.join(_text(item) for item in node.elts)})"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return f"{_text(node.value, 5)}_{node.slice.value}"
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARE:
        return f"{_text(node.left)} {COMPARE[type(node.ops[0])]} {_text(node.comparators[0])}"
    raise _TooMuch


def _binary(node: ast.BinOp, outer: int) -> str:
    strength = PRECEDENCE[type(node.op)]
    if isinstance(node.op, ast.Pow):
        text = f"{_text(node.left, 5)}^({_text(node.right)})"
    elif isinstance(node.op, ast.Add | ast.Sub):
        sign = "+" if isinstance(node.op, ast.Add) else "-"
        text = f"{_text(node.left, 1)} {sign} {_text(node.right, 2 if sign == '-' else 1)}"
    else:
        sign = " / " if isinstance(node.op, ast.Div) else " "
        text = f"{_text(node.left, 2)}{sign}{_text(node.right, 3)}"
    return f"({text})" if strength < outer else text


def _attribute(node: ast.Attribute) -> str:
    if isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr.lstrip("_")
    if node.attr in ("data", "base", "sub_batch"):
        return _text(node.value, 5)
    if node.attr == "pi":
        return "pi"
    raise _TooMuch


def _call(node: ast.Call, outer: int) -> str:
    name = _called(node)
    arguments = [_text(item) for item in node.args if not isinstance(item, ast.Starred)]
    if len(arguments) < len(node.args) or not name:
        raise _TooMuch
    if name in COMPARING and len(arguments) == 2:
        return f"{arguments[0]} {COMPARING[name]} {arguments[1]}"
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        owner = node.func.value.id
        if name == "fill" and len(arguments) == 1:
            text = f"{_text(node.args[0], 3)} I"
            return f"({text})" if outer > 2 else text
        if name == "identity":
            return "I"
        if name == "transpose":
            return f"{_text(node.func.value, 5)}^T"
        if owner not in ("self", "math", "torch"):
            return f"{name}({', '.join([owner, *arguments])})"
    elif isinstance(node.func, ast.Attribute):
        inner = _text(node.func.value, 5)
        return f"{inner}^T" if name == "transpose" else f"{name}({', '.join([inner, *arguments])})"
    return f"{name}({', '.join(arguments)})"

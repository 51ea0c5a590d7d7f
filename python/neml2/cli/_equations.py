# SPDX-License-Identifier: MIT
"""The equations of a type: those its docstring states, else what its `forward` computes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from . import _mathml
from ._forward import equations_of_forward
from ._mathml import NoFormula, Token, mathml

_ENDS = """a an and are as both by else elsewhere every for from if in is of on one or otherwise over per some the then
to two when where which while whose with"""
ENDS = frozenset(_ENDS.split())
"""Words of prose that end a formula."""
CONDITION = re.compile(r"\s*,?\s*(?:where|for|if|else|elsewhere|otherwise)\b")
AT = re.compile(r"\b(?:at|for|if|when|where)$")
"""What stands before an equation that is itself a condition, as in `zero at f = 0`."""
LABEL = re.compile(r"\b([A-Z][A-Z0-9_]+):$")
CLAUSE = re.compile(r";|[.:](?=\s|$)|,(?= (?:with|and|which|where|in|on|the)\b)")


@dataclass(frozen=True)
class Equation:
    """One equation: the formula as text, and the words that say where it holds."""

    formula: str
    condition: str = ""

    def __str__(self) -> str:
        return f"{self.formula} {self.condition}".strip()


@dataclass(frozen=True)
class Span:
    start: int
    end: int
    relation: bool
    """Whether it is an equation rather than a mere expression."""


def equations(cls: Any) -> list[Equation]:
    """The equations of a model type; empty only where neither docstring nor `forward` has one."""
    found = list(stated(first_paragraph(cls), symbols_of(cls), output_name(cls)))
    return found or [Equation(*pair) for pair in equations_of_forward(cls)]


def first_paragraph(cls: Any) -> str:
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())


def output_name(cls: Any) -> str:
    """What stands for the value of a model with one output."""
    rows = [row for row in getattr(cls, "describe_options", list)() if row["role"] == "output"]
    return str(rows[0]["name"]) if len(rows) == 1 and rows[0]["name"] else "output"


def symbols_of(cls: Any) -> frozenset[str]:
    """Names that mean symbols in the docstring: the arguments of `forward`."""
    try:
        names = list(inspect.signature(cls.forward).parameters)
    except (AttributeError, TypeError, ValueError):
        return frozenset()
    return frozenset(name for name in names if name not in ("self", "input"))


def names_in(found: Iterable[Equation]) -> set[str]:
    """The names that occur in equations."""
    return {token.text for equation in found for token in _mathml.tokens(str(equation)) if token.kind == "name"}


def argument_symbols(cls: Any) -> dict[str, str]:
    """Option name -> the argument of `forward` that stands for it, where the two lists correspond one to one."""
    from ..models.base import Model

    if not (isinstance(cls, type) and issubclass(cls, Model)) or cls.variables is not Model.variables:
        return {}
    rows = cls.describe_options()
    order = [row for row in rows if row["role"] in ("input", "inputs")]
    order += [row for row in rows if row["role"] in ("parameter", "parameters")]
    try:
        arguments = list(inspect.signature(cls.forward).parameters.values())[1:]
    except (TypeError, ValueError):
        return {}
    if len(arguments) != len(order) or any(a.kind is not a.POSITIONAL_OR_KEYWORD for a in arguments):
        return {}
    return {str(row["name"]): argument.name for row, argument in zip(order, arguments, strict=True)}


def stated(text: str, symbols: frozenset[str], output: str) -> Iterator[Equation]:
    """The equations in a paragraph.

    An expression without `=` is the output's value where it makes the statement of its sentence: before the first
    equation, after a label like `VONMISES:`, or where a condition follows it.
    """
    end, stated_before = 0, False
    for span in spans(text, symbols):
        before, formula, rest = text[: span.start].rstrip(), text[span.start : span.end], text[span.end :]
        label = LABEL.search(before)
        conditional = bool(CONDITION.match(rest))
        if span.start < end or (span.relation and AT.search(before)):
            continue
        if not span.relation:
            if re.search(r"[<>]", formula) or (stated_before and not label and not conditional):
                continue
            complete = re.match(r"\s*(?:$|[.,;]|with\b)", rest) and ("," not in before or before[-1:] in ",:")
            if not (conditional or complete):
                continue
        condition = f"for {label[1]}" if label else ""
        if conditional:
            stop = CLAUSE.search(rest, 1)
            condition = rest[: stop.start() if stop else len(rest)].strip()
            end = span.end + rest.find(condition) + len(condition)
        stated_before = True
        yield Equation(formula if span.relation else f"{output} = {formula}", condition.removeprefix(", "))


# -- formulas in prose -------------------------------------------------------------------------------------------


def spans(text: str, symbols: frozenset[str] = frozenset()) -> Iterator[Span]:
    """The formulas of a paragraph, from left to right; text in backticks is none."""
    plain = re.sub(r"`[^`]*`", lambda match: "\0" * len(match.group()), text)
    tokens = _mathml.tokens(plain)
    symbols |= {a.text for a, b in pairwise(tokens) if b.text == "=" and a.kind == "name"}
    at = 0
    while at < len(tokens):
        stop = _reach(tokens, at, symbols)
        span = _formula(text, tokens, at, stop)
        if span is None:
            at += 1
            continue
        yield span
        while at < len(tokens) and tokens[at].start < span.end:
            at += 1


def _formula(text: str, tokens: list[Token], at: int, stop: int) -> Span | None:
    """The longest formula among tokens[at:stop] that starts at `at`."""
    if stop <= at or (at and tokens[at].kind == "name" and _glued(tokens, at)):
        return None
    for end in range(stop, at + 1, -1):
        part = tokens[at:end]
        start, last = part[0].start, part[-1].end
        if part[-1].text in (",", ";", "=", "-", "+", "/", ":", "("):
            continue
        relation = any(token.text == "=" for token in part)
        if not relation and not _counts(part):
            return None
        try:
            mathml(text[start:last])
        except NoFormula:
            continue
        return Span(start, last, relation)
    return None


def _counts(part: list[Token]) -> bool:
    """Whether tokens without `=` are more than a name: an operator between operands."""
    operands = sum(token.kind in ("name", "number", "partial", "bracket") for token in part)
    inner = [token for token in part[1:] if token.text in ("+", "-", "/", "^", ":", "<", ">", "|")]
    applied = any(a.text in _mathml.FUNCTIONS and b.text == "(" for a, b in pairwise(part))
    names = any(token.kind in ("name", "partial") for token in part)
    return applied or (bool(inner) and operands > 1 and names)


def _glued(tokens: list[Token], at: int) -> bool:
    """Whether a name is the second half of a hyphenated word."""
    before = tokens[at - 1]
    return before.text in ("-", "'") and not before.spaced and not tokens[at].spaced and at > 1


def _reach(tokens: list[Token], at: int, symbols: frozenset[str]) -> int:
    """The first token after `at` that cannot belong to the same formula."""
    depth, after_relation = 0, False
    for i in range(at, len(tokens)):
        token, previous = tokens[i], tokens[i - 1] if i > at else None
        if token.kind == "other":
            return i
        if token.text in ("(", "["):
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
            if depth < 0:
                return i
        elif depth == 0 and (token.text in (",", ";") or _colon(tokens, i)):
            return i
        elif token.kind == "name" and depth > 0 and token.text in symbols:
            pass
        elif token.kind == "name" and not _symbol(token, tokens, i, symbols):
            starts = previous is not None and previous.text == "="
            prose = token.text in ENDS or (i + 1 < len(tokens) and tokens[i + 1].kind == "name")
            if not starts and (not after_relation or (prose and depth == 0)):
                return i
        after_relation |= token.text == "="
    return len(tokens)


def _colon(tokens: list[Token], i: int) -> bool:
    """Whether tokens[i] is a colon of prose, not a contraction: `strain: x`, but `S:S` and `C : E`."""
    ends = i + 1 == len(tokens) or (not tokens[i].spaced and tokens[i + 1].spaced)
    return tokens[i].text == ":" and ends


def _symbol(token: Token, tokens: list[Token], i: int, symbols: frozenset[str]) -> bool:
    following = tokens[i + 1] if i + 1 < len(tokens) else None
    if following is not None and following.text in ("=", "^") and not (token.text == "a" and following.spaced):
        return True
    if token.text in ENDS:
        operators = ("+", "-", "/", "(", "*")
        before = tokens[i - 1].text if i else ""
        return token.text in symbols and (before in operators or (following is not None and following.text in "+-/)"))
    if token.text in symbols or token.text in _mathml.FUNCTIONS or token.text in ("o", "sum_i", "prod_i"):
        return True
    if following is not None and following.text == "-" and not following.spaced:
        return False  # a hyphenated word
    name = token.text.partition("~")[0]
    if re.fullmatch(r"[A-Za-z]", name):
        return name not in ("I",) or (i > 0 and tokens[i - 1].kind != "other")
    if name.isalpha() and name not in _mathml.GREEK and (name.islower() or name.isupper() or name.istitle()):
        return False
    return _mathml.is_symbol(token.text) or "~" in token.text or ("_" in name and len(name) < 12)


# -- HTML --------------------------------------------------------------------------------------------------------


def typeset(text: str, symbols: frozenset[str] = frozenset()) -> str:
    """Prose as HTML, with formulas as MathML and `code` as code."""
    parts, end = [], 0
    for span in spans(text, symbols):
        parts += [_code(text[end : span.start]), mathml(text[span.start : span.end])]
        end = span.end
    return "".join([*parts, _code(text[end:])])


def _code(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))


def render(equation: Equation, symbols: frozenset[str] = frozenset()) -> str:
    """One equation as HTML; in monospace where it is not in the notation of formulas."""
    condition = f' <span class="where">{typeset(equation.condition, symbols)}</span>' if equation.condition else ""
    try:
        return mathml(equation.formula, display=True) + condition
    except NoFormula:
        return f"<code>{escape(equation.formula)}</code>{condition}"

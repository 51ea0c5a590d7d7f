# SPDX-License-Identifier: MIT
"""Formulas as docstrings write them, e.g. `X_rate = (2/3 C N - g X) gamma_rate`, as MathML.

Juxtaposition is multiplication and binds like `/`, from the left: `k T / (mu b^3) ln(x)` is (k T/(mu b^3)) ln(x).
`:` is the double contraction, ` o ` composition, `<x>` the Macaulay bracket, `x~1` the value one step ago, `x_rate`
a time derivative, `df/dM` a partial one, `sum_i` and `prod_i` run over i.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

GREEK = {
    name: chr(code)
    for names, first in (
        ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho", 0x3B1),
        ("sigma tau upsilon phi chi psi omega", 0x3C3),
    )
    for code, name in enumerate(names.split(), first)
}
GREEK |= {name.capitalize(): symbol.upper() for name, symbol in GREEK.items()}
GREEK |= {"eps": "ε", "inf": "∞"}
_FUNCTIONS = "sin cos tan sinh cosh tanh exp ln log sign min max abs det dev vol tr sym skew inv sqrt op"
FUNCTIONS = frozenset(_FUNCTIONS.split())
BIG = {"sum": "∑", "prod": "∏"}
_WORDS = "an as at by do if in is it no of on or so to up us we"
TWO_LETTER_WORDS = frozenset(_WORDS.split())
RELATIONS = {"=": "=", "<": "<", ">": ">", "<=": "≤", ">=": "≥", "->": "→"}
SUMS = {"+": "+", "-": "−", "+-": "±"}
CLOSING = {"(": ")", "[": "]"}

TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<partial>d[A-Za-z]/d[ ]?[A-Za-z]\w*|d[ ][A-Za-z]\w*[ ]?/[ ]?d[ ][A-Za-z]\w*)
    |(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![.]?\d))
    |(?P<name>[^\W\d_]\w*(?:~\d+)?)
    |(?P<bracket><[A-Za-z]\w*>)
    |(?P<op>\.\.\.|\+-|<=|>=|->|[-+/^:=<>|()\[\],;])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
THIN = '<mspace width="0.17em"></mspace>'


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int
    spaced: bool
    """Whether white space stands before it."""


def tokens(text: str) -> list[Token]:
    """The tokens of `text` without white space."""
    found, spaced = [], False
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "space":
            spaced = True
            continue
        found.append(Token(kind, match.group(), match.start(), match.end(), spaced))
        spaced = False
    return found


class NoFormula(ValueError):
    """The text is not a formula of this notation."""


def mathml(formula: str, display: bool = False) -> str:
    """The formula as a `<math>` element. Raises NoFormula."""
    style = ' displaystyle="true"' if display else ""
    return f"<math{style}>{_Parser(formula).all()}</math>"


@dataclass(frozen=True)
class _Node:
    xml: str
    inner: str = ""
    """What stands between the parentheses, if the whole is parenthesised."""

    def bare(self) -> str:
        return self.inner or self.xml


class _Parser:
    def __init__(self, formula: str) -> None:
        self.tokens, self.at, self.bars = tokens(formula), 0, 0

    def all(self) -> str:
        node = self.list_of("")
        if self.at < len(self.tokens):
            raise NoFormula(f"'{self.tokens[self.at].text}' is not expected here")
        return f"<mrow>{node}</mrow>"

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def take(self) -> Token:
        if self.at == len(self.tokens):
            raise NoFormula("the formula ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def list_of(self, closing: str) -> str:
        parts = [self.relation()]
        while closing and self.peek() in (",", ";"):
            parts += [f'<mo separator="true">{self.take().text}</mo>', self.relation()]
        return "".join(parts)

    def relation(self) -> str:
        parts = [self.sum()]
        while self.peek() in RELATIONS:
            parts += [_operator(RELATIONS[self.take().text]), self.sum()]
        return "".join(parts)

    def sum(self) -> str:
        parts = []
        if self.peek() in SUMS:
            parts.append(f'<mo form="prefix">{SUMS[self.take().text]}</mo>')
        parts.append(self.term().xml)
        while self.peek() in SUMS:
            parts += [_operator(SUMS[self.take().text]), self.term().xml]
        return "".join(parts)

    def term(self) -> _Node:
        node = self.power()
        while True:
            if self.peek() == "/":
                self.take()
                over = self.power()
                node = _Node(f"<mfrac><mrow>{node.bare()}</mrow><mrow>{over.bare()}</mrow></mfrac>")
            elif self.peek() in (":", "o") and self.at + 1 < len(self.tokens):
                sign = {":": ":", "o": "∘"}[self.take().text]
                node = _Node(f"{node.xml}{_operator(sign)}{self.power().xml}")
            elif self.starts_operand():
                node = _Node(f"{node.xml}{THIN}{self.power().xml}")
            else:
                return node

    def starts_operand(self) -> bool:
        if self.at == len(self.tokens):
            return False
        token = self.tokens[self.at]
        if token.text == "|":
            return not self.bars
        return token.kind in ("number", "name", "bracket", "partial") or token.text in ("(", "[", "...")

    def power(self) -> _Node:
        base = self.atom()
        if self.peek() != "^":
            return base
        self.take()
        if self.peek() == "-":
            self.take()
            exponent = f"<mo>−</mo>{self.atom().bare()}"
        else:
            exponent = self.atom().bare()
        if base.xml.startswith("<msub>") and base.xml.count("msub>") == 2:
            parts = base.xml.removeprefix("<msub>").removesuffix("</msub>")
            return _Node(f"<msubsup>{parts}<mrow>{exponent}</mrow></msubsup>")
        return _Node(f"<msup><mrow>{base.xml}</mrow><mrow>{exponent}</mrow></msup>")

    def atom(self) -> _Node:
        token = self.take()
        if token.kind == "number":
            return _Node(f"<mn>{token.text}</mn>")
        if token.kind == "partial":
            above, below = re.split(r"\s*/\s*", token.text)
            parts = (f"<mo>∂</mo>{identifier(part[1:].strip())}" for part in (above, below))
            return _Node("<mfrac>{}{}</mfrac>".format(*(f"<mrow>{part}</mrow>" for part in parts)))
        if token.kind == "bracket":
            return _Node(f"<mrow><mo>⟨</mo>{identifier(token.text[1:-1])}<mo>⟩</mo></mrow>")
        if token.kind == "name":
            return self.named(token)
        if token.text == "...":
            return _Node("<mo>…</mo>")
        if token.text == "|":
            return self.modulus()
        if token.text in SUMS:  # the exponent of x^(+-1), or a sign after an operator
            return _Node(f'<mo form="prefix">{SUMS[token.text]}</mo>{self.power().xml}')
        if token.text in CLOSING:
            return self.group(token.text)
        raise NoFormula(f"'{token.text}' is not expected here")

    def group(self, opening: str) -> _Node:
        bars, self.bars = self.bars, 0
        inner = self.list_of(CLOSING[opening])
        self.bars = bars
        if self.take().text != CLOSING[opening]:
            raise NoFormula(f"'{opening}' is not closed")
        # around one line of letters brackets keep their size, which renderers would choose by descenders
        fixed = "" if re.search("<m(frac|sup|subsup|under|sqrt|over)", inner) else ' stretchy="false"'
        xml = f"<mrow><mo{fixed}>{opening}</mo>{inner}<mo{fixed}>{CLOSING[opening]}</mo></mrow>"
        return _Node(xml, inner if opening == "(" else "")

    def modulus(self) -> _Node:
        self.bars += 1
        inner = self.sum()
        self.bars -= 1
        if self.take().text != "|":
            raise NoFormula("'|' is not closed")
        return _Node(f'<mrow><mo form="prefix">|</mo>{inner}<mo form="postfix">|</mo></mrow>')

    def named(self, token: Token) -> _Node:
        name, _, index = token.text.partition("_")
        if name in BIG and index:
            return _Node(f"<munder><mo>{BIG[name]}</mo>{identifier(index)}</munder>")
        applied = self.peek() == "(" and not self.tokens[self.at].spaced
        if not applied:
            gap = THIN if token.text in FUNCTIONS else ""
            return _Node(identifier(token.text) + gap)
        argument = self.group(self.take().text)
        if token.text == "sqrt":
            return _Node(f"<msqrt>{argument.inner}</msqrt>")
        return _Node(f"{identifier(token.text)}<mo>&#x2061;</mo>{argument.xml}")


def _operator(sign: str) -> str:
    space = ' lspace="0.22em" rspace="0.22em"' if sign in (":", "∘") else ""
    return f"<mo{space}>{escape(sign)}</mo>"


# -- names -------------------------------------------------------------------------------------------------------


def identifier(name: str) -> str:
    """MathML of a name: Greek letters, indices, dots for rates, earlier steps."""
    name, _, lag = name.partition("~")
    base, *indices = name.split("_")
    rate = bool(indices) and indices[-1] == "rate" and is_symbol("_".join([base, *indices[:-1]]))
    if rate:
        indices.pop()
    if is_symbol("_".join([base, *indices])):
        head, tail = _split(base)
        indices = [tail, *indices] if tail else indices
    else:
        head, indices = name, []
    xml = _letter(head)
    if rate:
        xml = f'<mover accent="true">{xml}<mo>˙</mo></mover>'
    below = ",".join(GREEK.get(index, index) for index in indices)
    subscript = [f"<mi>{escape(below)}</mi>"] if below else []
    if lag:
        subscript.append(f"<mi>n</mi><mo>−</mo><mn>{lag}</mn>")
    if not subscript:
        return xml
    return f"<msub>{xml}<mrow>{'<mo>,</mo>'.join(subscript)}</mrow></msub>"


def is_symbol(name: str) -> bool:
    """Whether a name reads as a symbol with indices rather than as a word."""
    base, *indices = name.partition("~")[0].split("_")
    if base in FUNCTIONS or base in TWO_LETTER_WORDS:
        return False
    if len(base) > 2 and base.isalpha() and base.islower() and base not in GREEK:
        return len(indices) == 1 and len(indices[0]) <= 1 and bool(indices[0])
    return base in GREEK or bool(_split(base)[1]) or len(base) == 1


def _split(base: str) -> tuple[str, str]:
    """A symbol's letter and its index: `eps0` -> `eps`, `0`; `GIIc` -> `G`, `IIc`."""
    greek = re.fullmatch(r"([A-Za-z]{2,}?)(\d*)", base)
    if greek and greek[1] in GREEK:
        return greek[1], greek[2]
    if base.startswith("d") and base[1:] in GREEK:
        return base, ""
    match = re.fullmatch(r"([A-Z])(\d+|[A-Z]?[a-z]?\d*|[A-Z]{2}[a-z]|[a-z]{1,3}\d*)", base)
    match = match or re.fullmatch(r"([a-z])(\d+|[a-zA-Z]\d*)", base)
    return (match[1], match[2]) if match else (base, "")


def _letter(head: str) -> str:
    if head.startswith("d") and head[1:] in GREEK:
        return f"<mrow><mi>d</mi><mi>{GREEK[head[1:]]}</mi></mrow>"
    return f"<mi>{escape(GREEK.get(head, head))}</mi>"

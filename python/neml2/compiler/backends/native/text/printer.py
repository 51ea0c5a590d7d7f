# SPDX-License-Identifier: MIT
"""Nodes of a point graph as statements of a programming language.

A `Dialect` says how the language writes numbers, operations and declarations; `Printer` decides what is written when.
A node is written once in the scope of a printer, after its operands, as a constant of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from neml2.compiler.graph.pointgraph import OPERATIONS, PointGraph


class UnsupportedOperationError(ValueError):
    """An operation of a point graph that a language has no words for."""


@dataclass(frozen=True)
class Dialect:
    """`operations`: format strings with the operands as {0}, {1}, ...; declarations get a name and an expression."""

    operations: Mapping[str, str]
    number: Callable[[float], str]
    truth: Callable[[bool], str]
    declare_number: str
    declare_truth: str


def _literal(value: float) -> str:
    if math.isnan(value):
        return "splat<V>(std::numeric_limits<ScalarOf<V>>::quiet_NaN())"
    if math.isinf(value):
        return f"splat<V>({'-' if value < 0 else ''}std::numeric_limits<ScalarOf<V>>::infinity())"
    return f"splat<V>(ScalarOf<V>({value!r}))"


_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "eq": "=="}
_CALLS = {
    **{op: op for op in ("sqrt", "exp", "log", "abs", "sign", "recip", "sin", "cos", "tan", "asin", "acos", "atan",
                         "sinh", "cosh", "tanh", "floor", "erf", "pow", "atan2")},
    "and": "both<MaskOf<V>>", "or": "either<MaskOf<V>>", "not": "negate<MaskOf<V>>", "where": "select<V>",
}  # fmt: skip
_ARITY = {"pow": 2, "atan2": 2, "and": 2, "or": 2, "where": 3}

LANES = Dialect(
    operations={
        "neg": "-{0}",
        "hold": "{0}",
        **{op: f"{{0}} {sign} {{1}}" for op, sign in _INFIX.items()},
        **{op: f"{name}({', '.join(f'{{{k}}}' for k in range(_ARITY.get(op, 1)))})" for op, name in _CALLS.items()},
    },
    number=_literal,
    truth=lambda value: f"mask<V>({str(value).lower()})",
    declare_number="const V {name} = {expression};",
    declare_truth="const MaskOf<V> {name} = {expression};",
)
"""C++ over a lane type V, with the functions of neml2/native/lanes.h and math.h."""

assert {*LANES.operations, "const", "input"} == set(OPERATIONS)


@dataclass
class Printer:
    """Writes nodes of `graph`; `component` gives the expression of a component of the state."""

    graph: PointGraph
    component: Callable[[int], str]
    dialect: Dialect = LANES
    prefix: str = "x"
    names: dict[int, str] = field(default_factory=dict)  # nodes already written
    inverted: Collection[int] = ()  # divisors whose inverse is written once, and multiplied with
    inverses: dict[int, str] = field(default_factory=dict)  # those already written, by the divisor

    def inner(self, component: Callable[[int], str] | None = None, prefix: str | None = None) -> Printer:
        """A printer for a nested scope: it sees what is written here, and adds nothing."""
        return replace(
            self,
            component=component or self.component,
            prefix=prefix or self.prefix,
            names=dict(self.names),
            inverses=dict(self.inverses),
        )

    def declarations(self) -> list[str]:
        """What has to stand before all that was written."""
        return []

    def forget(self, nodes: Collection[int]) -> None:
        """Names of `nodes` are no longer theirs; new ones will be distinct from all so far."""
        self.names = {n: name for n, name in self.names.items() if n not in nodes}
        self.inverses = {n: name for n, name in self.inverses.items() if n not in nodes}
        self.prefix += "x"

    def reference(self, node: int) -> str:
        """The expression that stands for a node already written, a constant, or a component of the state."""
        op, value = self.graph.op[node], self.graph.value[node]
        if node in self.names:
            return self.names[node]
        if op == "const":
            return self.dialect.truth(value) if isinstance(value, bool) else self.dialect.number(float(value))  # type: ignore[arg-type]
        if op == "input":
            return self.component(int(value))  # type: ignore[arg-type]
        raise KeyError(f"node {node} ({op}) is used before it is written")

    def statements(self, outputs: Iterable[int]) -> list[str]:
        """What is still to be written so that `outputs` can be referred to."""
        lines: list[str] = []
        for node in self.missing(outputs):
            expression = self._quotient(node, lines) or self._expression(self.graph.op[node], self.graph.args[node])
            self.names[node] = self._declare(expression, self.declaration(node), lines)
        return lines

    def declaration(self, node: int) -> str:
        """The format string that declares a node."""
        return self.dialect.declare_truth if self.graph.is_truth(node) else self.dialect.declare_number

    def _expression(self, op: str, operands: Iterable[int]) -> str:
        return self.form(op).format(*map(self.reference, operands))

    def form(self, op: str) -> str:
        """The format string of an operation. Raises UnsupportedOperationError."""
        words = self.dialect.operations.get(op)
        if words is None:
            raise UnsupportedOperationError(f"operation '{op}' has no form in this language")
        return words

    def _quotient(self, node: int, lines: list[str]) -> str | None:
        """A division as a product with an inverse, which is written to `lines` if it is not there yet."""
        if self.graph.op[node] != "div" or self.graph.args[node][1] not in self.inverted:
            return None
        value, divisor = self.graph.args[node]
        if self.graph.op[divisor] == "const":
            inverse = self.dialect.number(1.0 / float(self.graph.value[divisor]))  # type: ignore[arg-type]
        else:
            if divisor not in self.inverses:
                expression = self._expression("recip", [divisor])
                self.inverses[divisor] = self._declare(expression, self.dialect.declare_number, lines)
            inverse = self.inverses[divisor]
        return self.dialect.operations["mul"].format(self.reference(value), inverse)

    def _declare(self, expression: str, declare: str, lines: list[str]) -> str:
        name = f"{self.prefix}{len(self.names) + len(self.inverses)}"
        lines.append(declare.format(name=name, expression=expression))
        return name

    def assignments(self, stores: Iterable[tuple[str, int]]) -> list[str]:
        """`target = node;` for each pair, every node written shortly before it is needed."""
        lines = []
        for target, node in stores:
            lines += self.statements([node])
            lines.append(f"{target} = {self.reference(node)};")
        return lines

    def missing(self, outputs: Iterable[int]) -> list[int]:
        """The nodes behind `outputs` that have not been written, in evaluation order."""
        seen: set[int] = set()
        stack = list(outputs)
        while stack:
            node = stack.pop()
            if node in seen or node in self.names or self.graph.op[node] in ("const", "input"):
                continue
            seen.add(node)
            stack.extend(self.graph.args[node])
        return sorted(seen)

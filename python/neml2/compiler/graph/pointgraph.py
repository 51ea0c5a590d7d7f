# SPDX-License-Identifier: MIT
"""The point graph: what one material point computes, as a hash-consed graph of scalar operations.

Every stage of the compiler speaks this one language. Capture writes it, differentiation extends it, backends print it.
A node is an integer; its operation, operands and constant stand in parallel lists. Building a node folds constants,
applies the few algebraic identities below, and returns the existing node if the same one was built before, so common
subexpressions never exist twice. Operands always precede their node: ascending order is evaluation order.

Values are floating point, or truth values (the result of a comparison), which only `where`, `and`, `or` and `not`
consume. A `hold` has the value of its operand, and its own derivative: none (torch's `detach`), or a rule that knows
better than the operations behind it (an inverse, an eigenvalue). `0 * x` and `x - x` are 0 even for an x that is not
finite; nothing else about IEEE arithmetic is given up.
While `exact` is set, as it is for the values of a model, identities keep every rounding, so that a kernel gives what
PyTorch gives; derivatives, which nobody rounds in a particular way, may be reassociated.

A node may have one value at each *site* of an axis within the point (grains, cells): `size` says at how many, 0 for a
node of the whole point, which all sites see alike. Scalar operations work site by site. Besides there are components
of a variable along its sites (`sites`), constants that differ from site to site (`table`), a neighbour's value
(`shift`, at site i that of i + k, or of the nearest one there is), the sum over all sites, and the value at one (`at`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from neml2.compiler.graph.identities import RULES

UNARY = (
    "neg", "recip", "sqrt", "exp", "log", "abs", "sign",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "floor", "erf",
    "hold",
)  # fmt: skip
BINARY = ("add", "sub", "mul", "div", "pow", "atan2")
COMPARISONS = ("lt", "le", "eq")
LOGICAL = ("and", "or", "not")
TRUTH = frozenset((*COMPARISONS, *LOGICAL))
COMMUTATIVE = frozenset(("add", "mul", "eq", "and", "or"))
OPERATIONS = ("const", "input", *UNARY, *BINARY, *COMPARISONS, *LOGICAL, "where")
OVER_SITES = ("sites", "table", "shift", "sum", "at")
LEAVES = frozenset(("const", "input", "sites", "table"))


def _reciprocal(x: float) -> float:
    return math.copysign(math.inf, x) if x == 0 else 1.0 / x


def _quotient(a: float, b: float) -> float:
    return a / b if b != 0 else a * _reciprocal(b)


def _sign(x: float) -> float:
    return x if math.isnan(x) else float((x > 0) - (x < 0))


PYTHON_SEMANTICS: dict[str, Callable[..., Any]] = {
    "neg": lambda a: -a, "recip": _reciprocal, "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "abs": abs,
    "sign": _sign, "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos,
    "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "floor": lambda a: float(math.floor(a)),
    "erf": math.erf, "hold": lambda a: a, "atan2": math.atan2,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: _quotient(a, b) if isinstance(b, float) else a / b, "pow": math.pow,
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "eq": lambda a, b: a == b,
    "and": lambda a, b: a and b, "or": lambda a, b: a or b, "not": lambda a: not a,
    "where": lambda c, a, b: a if c else b,
}  # fmt: skip


Slot = int | tuple[int, int, int]
"""A place in the state: a component; or one at each site, as (first component, stride, number of sites)."""

Partials = list[tuple[int, int]]
"""(operand, node of the local derivative with respect to it)."""

Rule = Callable[[], Partials]


class SiteError(ValueError):
    """Operands with different numbers of sites."""


class PointGraph:
    """A growing graph; see the module's text. `input(i)` stands for component i of the point's state."""

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[tuple[int, ...]] = []
        self.value: list[Any] = []  # of a constant; the state component of an input; what an operation over sites needs
        self.size: list[int] = []  # number of sites
        self.rules: dict[int, Rule] = {}  # of `hold` nodes that have a derivative
        self._known: dict[Any, int] = {}
        self.exact = False  # whether identities may not change a rounding
        self.zero = self.const(0.0)
        self.one = self.const(1.0)

    def __len__(self) -> int:
        return len(self.op)

    # ---- building ----------------------------------------------------------------------------------------------------

    def _node(self, op: str, args: tuple[int, ...], value: float | bool | int | None = None) -> int:
        key = (op, args) if value is None else (op, struct.pack("d", value), isinstance(value, bool))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._append(op, args, value)
        return found

    def _append(self, op: str, args: tuple[int, ...], value: Any, size: int | None = None) -> int:
        if size is None:
            size = max((self.size[a] for a in args), default=0)
            if size and any(self.size[a] not in (0, size) for a in args):
                raise SiteError(f"{op} of values at {' and '.join(str(self.size[a]) for a in args)} sites")
        self.op.append(op)
        self.args.append(args)
        self.value.append(value)
        self.size.append(size)
        return len(self.op) - 1

    def _over_sites(self, op: str, args: tuple[int, ...], value: Any, size: int) -> int:
        """A node of one of OVER_SITES."""
        key = (op, args, value, size)
        if key not in self._known:
            self._known[key] = self._append(op, args, value, size)
        return self._known[key]

    def const(self, value: float | bool) -> int:
        """The node of a number, or of a truth value."""
        return self._node("const", (), value if isinstance(value, bool) else float(value))

    def input(self, component: int) -> int:
        """The node that reads component `component` of the state."""
        return self._node("input", (), component)

    def sites(self, first: int, stride: int, count: int) -> int:
        """The node that reads component `first + stride * i` of the state at site i of `count`."""
        return self._over_sites("sites", (), (first, stride, count), count)

    def leaf(self, slot: Slot) -> int:
        """The node that reads a place of the state."""
        return self.input(slot) if isinstance(slot, int) else self.sites(*slot)

    def table(self, values: Sequence[float | bool]) -> int:
        """A constant for each site; one node for all where they are equal."""
        if len(set(map(repr, values))) == 1:
            return self.const(values[0])
        kind = bool if all(isinstance(v, bool) for v in values) else float
        key = struct.pack(f"{len(values)}d", *values)
        known = ("table", kind, key)
        if known not in self._known:
            self._known[known] = self._append("table", (), tuple(map(kind, values)), len(values))
        return self._known[known]

    def shift(self, x: int, by: int, count: int) -> int:
        """x at site i + `by`, for i = 0, ..., `count` - 1; beyond the ends, that of the last site there is."""
        size = self.size[x]
        if not size or (by == 0 and count == size):
            return x
        if self.op[x] == "table":
            return self.table([self.value[x][min(max(i + by, 0), size - 1)] for i in range(count)])
        if self.op[x] == "shift":
            (inner,) = self.args[x]
            first = self.value[x]
            inside = first >= 0 and first + size <= self.size[inner] and by >= 0 and by + count <= size
            if inside:
                return self.shift(inner, first + by, count)
        return self._over_sites("shift", (x,), by, count)

    def total(self, x: int) -> int:
        """The sum of x, which has sites, over them."""
        if self.op[x] == "table":
            return self.const(math.fsum(self.value[x]))
        return self._over_sites("sum", (x,), None, 0)

    def at(self, x: int, site: int) -> int:
        """x at one site."""
        if self.op[x] == "table":
            return self.const(self.value[x][site])
        return x if not self.size[x] else self._over_sites("at", (x,), site, 0)

    def constant_of(self, node: int) -> float | bool | None:
        """The value of a constant node, None for any other."""
        return self.value[node] if self.op[node] == "const" else None  # type: ignore[return-value]

    def is_truth(self, node: int) -> bool:
        return (
            self.op[node] in TRUTH
            or isinstance(self.constant_of(node), bool)
            or (self.op[node] == "table" and isinstance(self.value[node][0], bool))
            or (self.op[node] in ("shift", "at") and self.is_truth(self.args[node][0]))
            or (self.op[node] == "where" and self.is_truth(self.args[node][1]))
        )

    def make(self, op: str, *args: int) -> int:
        """The node `op(*args)`, simplified."""
        if all(self.op[a] == "const" for a in args):
            folded = self._fold(op, args)
            if folded is not None:
                return folded
        elif all(self.op[a] in ("const", "table") for a in args):
            folded = self._fold_tables(op, args)
            if folded is not None:
                return folded
        rule = RULES.get(op)
        if rule is not None:
            simpler = rule(self, *args)
            if simpler is not None:
                return simpler
        if op in COMMUTATIVE and args[0] > args[1]:
            args = (args[1], args[0])
        return self._node(op, args)

    def _fold(self, op: str, args: Sequence[int]) -> int | None:
        try:
            return self.const(PYTHON_SEMANTICS[op](*(self.value[a] for a in args)))
        except (ValueError, OverflowError, ZeroDivisionError):
            return None  # left to the arithmetic of the machine, which has infinities and NaN

    def _fold_tables(self, op: str, args: Sequence[int]) -> int | None:
        count = max(self.size[a] for a in args)
        columns = [self.value[a] if self.size[a] else (self.value[a],) * count for a in args]
        try:
            return self.table([PYTHON_SEMANTICS[op](*row) for row in zip(*columns, strict=True)])
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    def add(self, a: int, b: int) -> int:
        return self.make("add", a, b)

    def sub(self, a: int, b: int) -> int:
        return self.make("sub", a, b)

    def mul(self, a: int, b: int) -> int:
        return self.make("mul", a, b)

    def div(self, a: int, b: int) -> int:
        """a / b; unless exact, as a times the reciprocal of b, which other quotients share."""
        return self.make("div", a, b) if self.exact else self.mul(a, self.make("recip", b))

    def neg(self, a: int) -> int:
        return self.make("neg", a)

    def where(self, condition: int, a: int, b: int) -> int:
        return self.make("where", condition, a, b)

    def hold(self, value: int, about: Any = None, rule: Rule | None = None) -> int:
        """The value of `value` with the derivative that `rule` gives, by default none. What `value` depends on must
        hold the operands of the rule; `about` tells holds of one value with different rules apart."""
        if self.op[value] == "const" or rule is None:
            return self.make("hold", value)
        key = ("hold", value, about)
        if key not in self._known:
            self._known[key] = self._append("hold", (value,), None)
            self.rules[self._known[key]] = rule
        return self._known[key]

    def logical_not(self, a: int) -> int:
        return self.make("not", a)

    def number(self, node: int) -> int:
        """A truth value as 1 or 0; any other node as it is."""
        return self.where(node, self.one, self.zero) if self.is_truth(node) else node

    # ---- reading -----------------------------------------------------------------------------------------------------

    def reachable(self, outputs: Iterable[int]) -> list[int]:
        """The nodes `outputs` depend on, themselves included, in evaluation order."""
        seen: set[int] = set()
        stack = list(outputs)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(self.args[node])
        return sorted(seen)

    def inputs_of(self, outputs: Iterable[int]) -> set[int]:
        """The state components that `outputs` depend on."""
        return {c for n in self.reachable(outputs) for c in self.components_of(n)}

    def components_of(self, node: int) -> Iterable[int]:
        """The state components that a leaf reads."""
        if self.op[node] == "input":
            return (self.value[node],)
        if self.op[node] != "sites":
            return ()
        first, stride, count = self.value[node]
        return range(first, first + stride * count, stride)

    def count(self, outputs: Iterable[int]) -> int:
        """Number of arithmetic operations behind `outputs`, those at all sites counted once."""
        return sum(self.op[n] not in LEAVES for n in self.reachable(outputs))

    def evaluate(
        self,
        outputs: Sequence[int],
        state: Sequence[Any],
        semantics: Mapping[str, Callable[..., Any]] = PYTHON_SEMANTICS,
    ) -> list[Any]:
        """Interpret the graph: `state[c]` is component c, `semantics` gives each operation its meaning. Values at sites
        are numpy arrays with the sites along the first axis."""
        values: dict[int, Any] = {}
        for node in self.reachable(outputs):
            op = self.op[node]
            if op == "const":
                values[node] = self.value[node]
            elif op == "input":
                values[node] = state[self.value[node]]
            elif op in OVER_SITES:
                values[node] = self._at_sites(node, [values[a] for a in self.args[node]], state)
            else:
                values[node] = semantics[op](*(values[a] for a in self.args[node]))
        return [values[o] for o in outputs]

    def _at_sites(self, node: int, args: Sequence[Any], state: Sequence[Any]) -> Any:
        import numpy as np

        op, value = self.op[node], self.value[node]
        if op == "sites":
            return np.stack(np.broadcast_arrays(*(state[c] for c in self.components_of(node))))
        if op == "table":
            return np.array(value)[:, None]
        if op == "shift":
            return args[0][np.clip(np.arange(self.size[node]) + value, 0, len(args[0]) - 1)]
        return args[0].sum(0) if op == "sum" else args[0][value]

    def text(self, outputs: Sequence[int], names: Mapping[int, str] | None = None) -> str:
        """One line an operation, then one an output; `names` of state components make it easier to read."""
        label: dict[int, str] = {}
        lines = []
        for node in self.reachable(outputs):
            op, value = self.op[node], self.value[node]
            if op == "const":
                label[node] = repr(value)
            elif op == "input":
                label[node] = (names or {}).get(int(value), f"s{value}")
            elif op == "sites":
                label[node] = f"s[{value[0]} + {value[1]} i]"
            elif op == "table":
                label[node] = str(list(value))
            else:
                label[node] = f"v{len(lines)}"
                known = [str(value)] if op in ("shift", "at") else []
                lines.append(f"{label[node]} = {op}({', '.join([*(label[a] for a in self.args[node]), *known])})")
        return "\n".join([*lines, *(f"out{k} = {label[o]}" for k, o in enumerate(outputs))])

# SPDX-License-Identifier: MIT
"""A program as one C++ function over plain numbers, for one point."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from neml2.compiler.backends.native.text.printer import Dialect, Printer
from neml2.compiler.graph.analysis import dependent, hoistable, involved, unheard
from neml2.compiler.graph.program import Argument, Assign, Linear, Program, Solve

_CALLS = ("sqrt", "exp", "log", "abs", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "floor",
          "erf")  # fmt: skip
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "eq": "==", "and": "&&", "or": "||"}
LOCAL = "x_"
"""What local names begin with; no argument's does."""

_LOCALS = re.compile(rf"{LOCAL}|(newton|options|trial)\d+$")

_SUMMANDS = 8
"""Of one line."""

_WORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl
concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete
do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast
requires return short signed sizeof static static_assert static_cast struct switch template this thread_local throw
true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq
std w result evaluate Buffer Result Status Workspace Options Newton factor solve substitute add sign
"""

RESERVED = frozenset(_WORDS.split())
"""What no argument, function or module can be called in C++."""


def plain(scalar: str) -> Dialect:
    """C++ over `scalar` ("double" or "float") and the functions of <cmath>."""

    def number(value: float) -> str:
        if math.isnan(value):
            return f"std::numeric_limits<{scalar}>::quiet_NaN()"
        if scalar == "float" and abs(value) > 3.4028234e38:
            value = math.copysign(math.inf, value)
        if math.isinf(value):
            text = f"std::numeric_limits<{scalar}>::infinity()"
            return f"(-{text})" if value < 0 else text
        text = repr(value) + ("f" if scalar == "float" else "")
        return f"({text})" if value < 0 or text[0] == "-" else text

    one = number(1.0)
    return Dialect(
        operations={
            "neg": "-{0}",
            "recip": f"{one} / {{0}}",
            "not": "!{0}",
            "where": "{0} ? {1} : {2}",
            "hold": "{0}",
            "pow": "std::pow({0}, {1})",
            "atan2": "std::atan2({0}, {1})",
            "sign": "sign({0})",
            **{op: f"{{0}} {sign} {{1}}" for op, sign in _INFIX.items()},
            **{op: f"std::{op}({{0}})" for op in _CALLS},
        },
        number=number,
        truth=lambda value: str(value).lower(),
        declare_number=f"const {scalar} {{name}} = {{expression}};",
        declare_truth="const bool {name} = {expression};",
    )


@dataclass(frozen=True)
class Member:
    """A buffer of the workspace."""

    name: str
    shape: tuple[int, ...]


@dataclass
class Body:
    """The statements of a function, and what they need of the caller's workspace."""

    lines: list[str]
    workspace: list[Member] = field(default_factory=list)
    solves: bool = False


def identifier(name: str) -> str:
    """`name` with everything that no identifier of C or file name can hold replaced by underscores."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    return f"_{text}" if text[0].isdigit() else text


def cpp_name(name: str) -> str:
    """`name` as an identifier that C++ does not keep for itself and generated code does not use."""
    text = re.sub("__+", "_", identifier(name))
    text = f"v{text}" if text.startswith("_") else text
    return f"{text.rstrip('_')}_" if text in RESERVED or _LOCALS.match(text) else text


def argument_names(program: Program) -> tuple[list[str], list[str]]:
    """Identifiers of inputs and outputs; an output of an input's name ends in `_out`."""
    taken: set[str] = set()

    def name_of(argument: Argument, suffix: str) -> str:
        base = cpp_name(argument.name)
        name, number = base, 2
        while name in taken:
            name = f"{base.rstrip('_')}{suffix}{number if number > 2 or not suffix else ''}"
            number += 1
        taken.add(name)
        return name

    return [name_of(a, "") for a in program.inputs], [name_of(a, "_out") for a in program.outputs]


def body(program: Program, scalar: str) -> Body:
    """The statements that compute the outputs of `program.forward`. Raises ValueError for substepping."""
    writer = _Writer(program, scalar)
    for step in program.forward.steps:
        if isinstance(step, Assign):
            writer.assign(step)
        elif isinstance(step, Solve):
            writer.solve(step)
        else:
            writer.linear(step)
    writer.store()
    return writer.body


class _Writer:
    def __init__(self, program: Program, scalar: str) -> None:
        self.program, self.graph, self.scalar = program, program.graph, scalar
        names, self.outputs = argument_names(program)
        self.place = {
            c: f"{name}[{k}]" for name, a in zip(names, program.inputs, strict=True) for k, c in enumerate(a.components)
        }
        self.read = _read(program)
        self.given = frozenset(self.place.values())
        self.printer = Printer(self.graph, self.place.__getitem__, plain(scalar), LOCAL)
        self.body = Body([])

    def write(self, lines: Iterable[str], depth: int = 0) -> None:
        self.body.lines += ["  " * depth + line for line in lines]

    def member(self, name: str, *shape: int) -> str:
        self.body.workspace.append(Member(name, shape))
        return f"w.{name}"

    # ---- steps -------------------------------------------------------------------------------------------------------

    def assign(self, step: Assign) -> None:
        """Components that are assigned become names for the local values."""
        stores = [(c, n) for c, n in step.stores if c in self.read]
        self.write(self.printer.statements(n for _, n in stores))
        self.place.update({c: self.printer.reference(n) for c, n in stores})

    def solve(self, step: Solve) -> None:
        if step.settings.max_substepping:
            raise ValueError(f"{self.program.name}: substepping is not possible in a module")
        k, n = step.number, len(step.unknowns)
        u, r, x, a = (self.member(f"{name}{k}", *shape) for name, shape in
                      (("u", (n,)), ("r", (n,)), ("x", (n,)), ("a", (n, n))))  # fmt: skip
        self.write(f"{u}[{i}] = {self.place[c]};" for i, c in enumerate(step.unknowns))
        self.forget(step.unknowns)
        self.place.update({c: f"{u}[{i}]" for i, c in enumerate(step.unknowns)})
        entries = [node for row in step.jacobian for node in row]
        self.write(self.printer.statements(hoistable(self.graph, [*step.residual, *entries], step.unknowns)))
        arguments = f"{a}.data, {r}.data, {x}.data, {u}.data"
        if step.settings.line_search:
            arguments += ", " + self.trial(step)
        loop = self.printer.inner()
        self.write([f"constexpr Options options{k}{{{_options(step)}}};"])
        given = self.given_to(step)
        self.write([f"Newton<{self.scalar}, {n}> newton{k}(options{k}, {given});", "for (;;)", "{"])
        self.write(loop.assignments(zip(_elements(r, n), step.residual, strict=True)), 1)
        self.write([f"if (newton{k}.finished({r}.data, {u}.data, {a}.data, {x}.data))", "  break;"], 1)
        self.write(loop.assignments(zip(_elements(a, n * n), entries, strict=True)), 1)
        self.write([f"if (!newton{k}.step({arguments}))", "  break;"], 1)
        first = not self.body.solves
        self.write(["}", f"Result result = newton{k}.result;" if first else f"add(result, newton{k}.result);"])
        self.body.solves = True

    def given_to(self, step: Solve) -> str:
        """A sum that is finite where all is that the residual might not tell of."""
        places = [self.place[c] for c in unheard(self.graph, step)]
        if not places:
            return f"{self.scalar}(0)"
        name = f"{LOCAL}given{step.number}"
        lines = [" + ".join(places[k : k + _SUMMANDS]) for k in range(0, len(places), _SUMMANDS)]
        self.write([f"{self.scalar} {name} = {lines[0]};", *(f"{name} += {line};" for line in lines[1:])])
        return name

    def trial(self, step: Solve) -> str:
        """Evaluates the residual elsewhere: the arguments of `step` for a line search."""
        k, n = step.number, len(step.unknowns)
        at, there = self.member(f"at{k}", n), self.member(f"there{k}", n)
        place = {**self.place, **{c: f"{at}[{i}]" for i, c in enumerate(step.unknowns)}}
        inner = self.printer.inner(place.__getitem__)
        self.write([f"const auto trial{k} = [&]", "{"])
        self.write(inner.assignments(zip(_elements(there, n), step.residual, strict=True)), 1)
        self.write(["};"])
        return f"{at}.data, {there}.data, trial{k}"

    def linear(self, step: Linear) -> None:
        k, n, m = step.solve.number, len(step.right), len(step.right[0])
        b, a = self.member(f"b{k}", n, m), f"w.a{k}"
        entries = [node for row in step.solve.jacobian for node in row]
        right = [self.graph.neg(node) for row in step.right for node in row]
        self.write(self.printer.assignments(zip(_elements(a, n * n), entries, strict=True)))
        self.write(self.printer.assignments(zip(_elements(b, n * m), right, strict=True)))
        self.write([f"if (!solve<{n}, {m}>({a}.data, {b}.data) && result.status == Status::converged)",
                    "  result.status = Status::singular;"])  # fmt: skip
        targets = [t for row in step.targets for t in row]
        self.place.update(zip(targets, _elements(b, n * m), strict=True))

    def store(self) -> None:
        """Outputs are written last, when nothing is read any more: an output may be the buffer of an input."""
        results = self.program.forward.outputs
        nodes = [n for out in results for n in out]
        self.write(self.printer.statements(nodes))
        copied: dict[str, str] = {}
        values = [[self.printer.reference(n) for n in out] for out in results]
        for value in dict.fromkeys(v for out in values for v in out if v in self.given):
            copied[value] = f"{LOCAL}y{len(copied)}"
            self.write([f"const {self.scalar} {copied[value]} = {value};"])
        for name, out in zip(self.outputs, values, strict=True):
            self.write(f"{name}[{k}] = {copied.get(value, value)};" for k, value in enumerate(out))
        if self.body.solves:
            self.write(["return result;"])

    def forget(self, components: Sequence[int]) -> None:
        """What was computed from the guess does not hold for the iterates."""
        names = self.printer.names
        changed = dependent(self.graph, names, components)
        self.printer.names = {n: name for n, name in names.items() if n not in changed}
        self.printer.prefix += "x_"


def _read(program: Program) -> set[int]:
    """Components of the state that a step or an output reads."""
    function = program.forward
    nodes = [n for out in function.outputs for n in out]
    found: set[int] = set()
    for step in function.steps:
        if isinstance(step, Assign):
            nodes += [n for _, n in step.stores]
        elif isinstance(step, Solve):
            found |= involved(program.graph, step)
        else:
            nodes += [n for row in step.right for n in row]
    return found | program.graph.inputs_of(nodes)


def _options(step: Solve) -> str:
    s = step.settings
    numbers = (
        s.abs_tol,
        s.rel_tol,
        s.max_its,
        s.line_search,
        s.max_line_search,
        s.final_update,
        s.cutback,
        s.criterion,
    )
    return ", ".join(str(v).lower() if isinstance(v, bool) else repr(v) for v in numbers)


def _elements(buffer: str, count: int) -> list[str]:
    return [f"{buffer}[{k}]" for k in range(count)]

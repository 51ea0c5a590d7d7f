# SPDX-License-Identifier: MIT
"""Long straight-line code in pieces, so that the time a compiler takes stays in proportion to its length.

Optimisers look at every statement of a function in the light of the others: time, and memory, grow faster than the
number of statements. A piece is a lambda, called on the spot, that is not inlined. Values that more than one piece uses
live in arrays `w` (numbers) and `m` (truth values) of the enclosing function; the rest stay names of their piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONG = 3000
"""From this many statements on, a function is split."""

PIECE = 800
"""Statements of a piece."""

_DECLARED = re.compile(r"const (V|MaskOf<V>) (\w+) = (.*)", re.DOTALL)
_NAME = re.compile(r"\b[a-z]+\d+\b")


@dataclass
class Code:
    """Sections of code, the lines that declare what they share, and the number of their pieces."""

    declarations: list[str]
    sections: list[list[str]]
    pieces: int = 0


@dataclass
class _Value:
    """A named value: the piece that computes it, the last one that uses it, and its place if these differ."""

    truth: bool
    first: int
    last: int
    place: str = ""


def split(sections: Sequence[list[str]], lasting: int = 0, arrays: tuple[str, str] = ("w", "m")) -> Code:
    """`sections` hold statements of a printer, in the order in which they are executed; what the first `lasting` of
    them compute stays valid to the end, as the code behind them may run several times. `arrays`: names of numbers and
    truth values, others than those of an enclosing function that is split too."""
    if sum(map(len, sections)) < LONG:
        return Code([], list(sections))
    pieces = [(number, piece) for number, lines in enumerate(sections) for piece in _cut(lines)]
    values = _values([piece for _, piece in pieces])
    kept = sum(number < lasting for number, _ in pieces)
    numbers, truths = _place(values, kept, len(pieces), arrays)
    found: list[list[str]] = [[] for _ in sections]
    current: dict[str, _Value] = {}
    order = iter(values)
    for index, (number, lines) in enumerate(pieces):
        found[number] += ["[&]() __attribute__((noinline)) {", *_rewritten(lines, index, current, order), "}();"]
    number, truth = arrays
    declarations = [f"V {number}[{numbers}];"] * bool(numbers) + [f"MaskOf<V> {truth}[{truths}];"] * bool(truths)
    return Code(declarations, found, len(pieces))


def _cut(lines: list[str]) -> Iterator[list[str]]:
    count = -(-len(lines) // PIECE)
    for k in range(count):
        yield lines[len(lines) * k // count : len(lines) * (k + 1) // count]


def _values(pieces: Sequence[list[str]]) -> list[_Value]:
    """All values in the order of their declarations; a name may be declared again in another scope."""
    values: list[_Value] = []
    current: dict[str, _Value] = {}
    for index, lines in enumerate(pieces):
        for line in lines:
            declared = _DECLARED.match(line)
            for name in _NAME.findall(declared[3] if declared else line):
                if name in current:
                    current[name].last = index
            if declared:
                current[declared[2]] = _Value(declared[1] != "V", index, index)
                values.append(current[declared[2]])
    return values


def _place(values: Sequence[_Value], kept: int, count: int, arrays: tuple[str, str]) -> tuple[int, int]:
    """Gives each value that leaves its piece an entry of an array, which is free again behind its last use; returns
    the numbers of entries."""
    sizes, free = {False: 0, True: 0}, {False: [], True: []}  # type: ignore[var-annotated]
    leaving: dict[int, list[_Value]] = {}
    done = 0
    for value in values:
        if value.first == value.last:
            continue
        while done < value.first:
            for old in leaving.pop(done, []):
                free[old.truth].append(old.place)
            done += 1
        if free[value.truth]:
            value.place = free[value.truth].pop()
        else:
            value.place = f"{arrays[value.truth]}[{sizes[value.truth]}]"
            sizes[value.truth] += 1
        leaving.setdefault(count if value.first < kept else value.last, []).append(value)
    return sizes[False], sizes[True]


def _rewritten(lines: list[str], index: int, current: dict[str, _Value], order: Iterator[_Value]) -> Iterator[str]:
    """The statements of a piece, with places instead of the names of other pieces' values."""

    def place(name: re.Match[str]) -> str:
        value = current.get(name[0])
        return value.place if value is not None and value.first != index else name[0]

    for line in lines:
        declared = _DECLARED.match(line)
        if not declared:
            yield f"  {_NAME.sub(place, line)}"
            continue
        kind, name, expression = declared.groups()
        expression = _NAME.sub(place, expression)
        current[name] = value = next(order)
        yield f"  const {kind} {name} = {expression}"
        if value.place:
            yield f"  {value.place} = {name};"

# SPDX-License-Identifier: MIT
"""Names at a package's boundary: what a host calls the variables and parameters, where the input file calls them
something else. Names inside the model stay; only the interface of the plan is renamed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from neml2.errors import listing, suggestion
from neml2.hit import base_name, lag

if TYPE_CHECKING:
    from neml2.compiler.graph.program import Argument, Program
    from neml2.compiler.plan.plan import Plan

_NAME = re.compile(r"[^\s'\"#$:;=\[\]{}]+")


class RenameError(ValueError):
    """Names that cannot be; the message is for the user."""


@dataclass(frozen=True)
class Names:
    """What the model's inputs, outputs and promoted parameters are called in the package: name -> new name, of those
    that change."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.inputs or self.outputs or self.parameters)

    @property
    def given(self) -> dict[str, str]:
        """New names of what is given to the model."""
        return {**self.inputs, **self.parameters}

    def metadata(self) -> dict[str, dict[str, str]]:
        return {"inputs": dict(self.inputs), "outputs": dict(self.outputs), "parameters": dict(self.parameters)}


def names(
    inputs: Sequence[str],
    outputs: Sequence[str],
    promoted: Sequence[str],
    rename_inputs: Sequence[str] = (),
    rename_outputs: Sequence[str] = (),
    rename_parameters: Sequence[str] = (),
) -> Names:
    """The names that texts `OLD:NEW` ask for. Lags follow: with an output, or an input that is no output, `X` go the
    inputs `X~1`, `X~2`, ..., and with an output its first guess `X`, unless they are renamed themselves. `OLD` of a
    parameter may be the end of a qualified name. Raises RenameError."""
    asked = _pairs(rename_inputs, inputs, "--rename-input", "input")
    found = Names(
        _followed(asked, _pairs(rename_outputs, outputs, "--rename-output", "output"), inputs, outputs),
        _pairs(rename_outputs, outputs, "--rename-output", "output"),
        _parameters(rename_parameters, promoted),
    )
    _check(found, inputs, outputs, promoted)
    return found


def ends_with(name: str, names: Sequence[str]) -> list[str]:
    """The names that `name` can mean: itself, or else all qualified ones that end in `.name`."""
    return [name] if name in names else [n for n in names if n.endswith(f".{name}")]


def tails(names: Sequence[str]) -> list[str]:
    """All that can be said of qualified names: `a.b.c`, `b.c` and `c`."""
    return [".".join(words[k:]) for words in (name.split(".") for name in names) for k in range(len(words))]


def _pairs(texts: Sequence[str], known: Sequence[str], option: str, kind: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        old, new = _split(text, option)
        if old not in known:
            there = suggestion(old, known) or f"; there are: {listing(known)}"
            raise RenameError(f"{option} {text}: no {kind} '{old}'{there}")
        if lag(new) and lag(new) != lag(old):
            raise RenameError(f"{option} {text}: '{new}' says that it is {lag(new)} step(s) old, and '{old}' is not")
        if pairs.setdefault(old, new) != new:
            raise RenameError(f"{option} {text}: '{old}' is renamed to '{pairs[old]}' already")
    return pairs


def _split(text: str, option: str) -> tuple[str, str]:
    old, colon, new = text.partition(":")
    if not colon or not old or not _NAME.fullmatch(new):
        wanted = "OLD:NEW, both without spaces, quotes, brackets and any of # $ : ; ="
        raise RenameError(f"{option} {text}: expected {wanted}")
    return old, new


def _followed(
    asked: Mapping[str, str], by_output: Mapping[str, str], inputs: Sequence[str], outputs: Sequence[str]
) -> dict[str, str]:
    leading = {**{old: new for old, new in asked.items() if old not in outputs and not lag(old)}, **by_output}
    found = {}
    for name in inputs:
        base, steps = base_name(name), lag(name)
        if name in asked:
            found[name] = asked[name]
        elif base in leading:
            found[name] = leading[base] + (f"~{steps}" if steps else "")
    return found


def _parameters(texts: Sequence[str], promoted: Sequence[str]) -> dict[str, str]:
    option = "--rename-parameter"
    full = []
    for text in texts:
        old, new = _split(text, option)
        meant = ends_with(old, promoted)
        if len(meant) > 1:
            raise RenameError(f"{option} {text}: '{old}' can be any of {listing(meant)}; give more of the name")
        if not meant:
            there = suggestion(old, promoted) or f"; promoted are: {listing(promoted)}"
            raise RenameError(f"{option} {text}: no promoted parameter '{old}'{there}; promote it with -p {old}")
        full.append(f"{meant[0]}:{new}")
    return _pairs(full, promoted, option, "promoted parameter")


def _check(found: Names, inputs: Sequence[str], outputs: Sequence[str], promoted: Sequence[str]) -> None:
    """No two may have one name; an input and an output only if they had one before."""
    given = {("input", name): found.inputs.get(name, name) for name in inputs}
    given |= {("parameter", name): found.parameters.get(name, name) for name in promoted}
    made = {("output", name): found.outputs.get(name, name) for name in outputs}
    for group in (given, made):
        taken: dict[str, tuple[str, str]] = {}
        for key, new in group.items():
            if (other := taken.setdefault(new, key)) != key:
                raise RenameError(_conflict(other, key, new))
    for (kind, name), new in given.items():
        for (_, output), other_new in made.items():
            # a variable and its earlier values belong together by their names, before and after
            if base_name(new) == other_new and not (base_name(name) == output):
                raise RenameError(_conflict((kind, name), ("output", output), new))


def _conflict(one: tuple[str, str], other: tuple[str, str], new: str) -> str:
    return f"the {one[0]} '{one[1]}' and the {other[0]} '{other[1]}' cannot both be called '{base_name(new)}'"


def renamed_plan(plan: Plan, names: Names) -> Plan:
    """The plan with the package's names at its interface."""
    given = names.given
    return replace(
        plan,
        inputs=[replace(s, name=names.inputs.get(s.name, s.name)) for s in plan.inputs],
        outputs=[replace(s, name=names.outputs.get(s.name, s.name)) for s in plan.outputs],
        parameters=[replace(p, name=names.parameters.get(p.name, p.name)) for p in plan.parameters],
        derivatives=[
            {
                "output": names.outputs.get(d["output"], d["output"]),
                "input": given.get(d["input"], d["input"]),
                "depends_on": sorted(given.get(n, n) for n in d["depends_on"]),
            }
            for d in plan.derivatives
        ],
    )


def renamed_program(program: Program, names: Names) -> Program:
    """The same of a native program."""

    def renamed(arguments: Sequence[Argument], new: Mapping[str, str]) -> list[Argument]:
        return [replace(a, name=new.get(a.name, a.name)) for a in arguments]

    return replace(
        program, inputs=renamed(program.inputs, names.given), outputs=renamed(program.outputs, names.outputs)
    )

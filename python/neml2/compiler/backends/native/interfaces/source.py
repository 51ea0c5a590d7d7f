# SPDX-License-Identifier: MIT
"""A law as C++ constants, and the entry points of interfaces around it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from neml2.compiler.backends.native.interfaces import mfront
from neml2.compiler.backends.native.interfaces.law import Kept, Law, Port
from neml2.compiler.graph.program import Program

ENTRY = "neml2_native_model_v1"
"""NEML2_NATIVE_ENTRY of neml2/native/Kernel.h."""


def entry_of(level: str) -> str:
    """What the entry of the kernel for one instruction set is called where there are several in one object."""
    return f"neml2_native_model_{level}"


def kernels_text(levels: Sequence[str]) -> str:
    """The model of the best instruction set, `chosen()`, of kernels whose entries are called after their sets. Without
    levels: of the one kernel in front, compiled for whatever the compiler was asked for."""
    entries = [(f'"{level}"', entry_of(level)) for level in levels] or [("NEML2_NATIVE_ISA_NAME", ENTRY)]
    declared = [f'extern "C" const neml2_native_model * {entry}(int32_t);' for _, entry in entries]
    choices = ", ".join(f"{{{isa}, {entry}}}" for isa, entry in entries)
    return "\n".join([
        '#include "neml2/native/interfaces/point.h"', *declared,
        "namespace\n{\nnamespace host = neml2::native::interfaces;",
        f"constexpr host::Choice choices[] = {{{choices}}};",
        f"const neml2_native_model * const found = host::choose(choices, {len(entries)}); // when the object is loaded",
        "const neml2_native_model * chosen() { return found; }", "} // namespace\n",
    ])  # fmt: skip


def c_text(levels: Sequence[str]) -> str:
    """The entry of Kernel.h."""
    if not levels:
        return ""  # the kernel's own
    return (
        f'extern "C" __attribute__((visibility("default"))) const neml2_native_model * {ENTRY}(int32_t abi)\n{{\n'
        "  return abi == NEML2_NATIVE_ABI ? chosen() : nullptr;\n}\n"
    )


def umat_text(law: Law, program: Program) -> str:
    """UMAT under the name that hosts look for, and under one of its own, for programs that have several."""
    names = [f"NEML2_NATIVE_UMAT(UmatLaw, {symbol})\n" for symbol in umat_symbols(law.name)]
    return f'#include "neml2/native/interfaces/umat.h"\n{_law(law, program, "UmatLaw")}{"".join(names)}'


def umat_symbols(name: str) -> list[str]:
    """What Fortran calls `umat` and `<name>_umat`."""
    return ["umat_", f"{name.lower()}_umat_"]


def mfront_text(law: Law, program: Program) -> str:
    """A generic behaviour: what it is, and a function for each hypothesis."""
    functions = "".join(
        f"NEML2_NATIVE_BEHAVIOUR(MFrontLaw, {law.name}_{hypothesis}, {dimensions})\n"
        for hypothesis, dimensions in mfront.HYPOTHESES.items()
    )
    return (
        f'#include "neml2/native/interfaces/generic_behaviour.h"\n{_law(law, program, "MFrontLaw")}'
        f"{functions}{mfront.metadata(law)}"
    )


def _law(law: Law, program: Program, title: str) -> str:
    sizes = [sum(a.size for a in group) for group in (program.inputs, program.outputs)]
    counts = {
        "n_inputs": len(law.inputs), "n_outputs": len(law.outputs), "n_pairs": len(program.pairs), "values": sizes[0],
        "results": sizes[1], "n_kept": len(law.kept), "kept_values": sum(k.size for k in law.kept), "state": law.state,
        "properties": sum(p.size for p in law.properties), "tangent": law.tangent, "clock": law.clock,
    }  # fmt: skip
    constants = ", ".join(f"{name} = {value}" for name, value in counts.items())
    kept = f"  static constexpr host::Kept kept[] = {{{', '.join(map(_kept, law.kept)) or '{}'}}};"
    return "\n".join([
        "namespace\n{", f"struct {title}", "{", f'  static constexpr const char * name = "{law.name}";',
        f"  static constexpr int {constants};",
        f"  static constexpr host::Measure measure = host::Measure::{law.measure};",
        f"  static constexpr host::Port inputs[] = {{{', '.join(map(_port, law.inputs))}}};",
        f"  static constexpr host::Port outputs[] = {{{', '.join(map(_port, law.outputs))}}};", kept,
        "  static const neml2_native_model * model() { return chosen(); }", "};", "} // namespace\n",
    ])  # fmt: skip


def _port(p: Port) -> str:
    return f"{{host::Place::{p.place}, {p.steps}, {p.offset}, host::Kind::{p.kind}}}"


def _kept(k: Kept) -> str:
    return f"{{{_port(k.source)}, {_port(k.target)}, {k.size}}}"


_INCLUDE = re.compile(r'#include "(neml2/[^"]+)"')


def whole(text: str, read: dict[str, str]) -> str:
    """A translation unit with the project's headers in it: `read` has their texts by name."""
    seen: set[str] = set()

    def expand(part: str) -> str:
        lines = []
        for line in part.splitlines():
            found = _INCLUDE.match(line.strip())
            if found and found[1] not in seen:
                seen.add(found[1])
                lines.append(expand(read[found[1]]))
            elif not found and line.strip() != "#pragma once":
                lines.append(line)
        return "\n".join(lines)

    return expand(text) + "\n"

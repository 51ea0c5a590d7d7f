# SPDX-License-Identifier: MIT
"""From a program to a loaded library, through the cache of compiled files."""

from __future__ import annotations

from pathlib import Path

from neml2.compiler.backends.native import host, toolchain
from neml2.compiler.backends.native.text import kernel
from neml2.compiler.backends.native.text.cpp import identifier
from neml2.compiler.graph.program import Program
from neml2.compiler.package import isa, kernel_cache


def library(program: Program, scalar: str = "double") -> host.Library:
    """The program compiled for this CPU ("double" or "float"), from the cache if it is there.

    Raises BuildError where there is no C++ compiler.
    """
    text = kernel.source(program, scalar)
    level = isa.best()
    name = f"{identifier(program.name)}_{kernel_cache.key(program.name, *toolchain.made_from(text, level))}"

    def build(path: Path, scratch: Path) -> None:
        toolchain.build(text, path, level)

    return kernel_cache.load(name, build, host.Library, what=describe(program, scalar, level))


def describe(program: Program, scalar: str, level: str) -> str:
    """One line about a library, for listings."""

    def arguments(group: list) -> str:
        return ", ".join(f"{a.name}{list(a.shape) if a.shape else ''}" for a in group)

    return f"{program.name}({arguments(program.inputs)}) -> {arguments(program.outputs)}, {scalar}, {level}"

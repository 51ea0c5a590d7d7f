# SPDX-License-Identifier: MIT
"""A law in a shared object that hosts load, its header, and its source if that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from neml2.compiler.backends.native import toolchain
from neml2.compiler.backends.native.interfaces import header, source
from neml2.compiler.backends.native.interfaces.law import InterfaceError, check_name, law_of
from neml2.compiler.backends.native.text import kernel
from neml2.compiler.graph.program import Program
from neml2.compiler.package import isa, kernel_cache, staging

INTERFACES = ("c", "umat", "mfront")
Progress = Callable[[str, int, int, float], None]

_RECIPE = """\
// The law '{name}' for {interfaces}; needs nothing but a C++17 compiler:
//     {command} {name}.cpp -o lib{name}.so
"""


def write(
    program: Program, name: str, interfaces: Sequence[str], folder: Path, levels: Sequence[str], scalar: str,
    with_source: bool, progress: Progress,
) -> list[Path]:  # fmt: skip
    """The files `lib<name>.so`, `<name>.h` and, if wanted, `<name>.cpp` of a law in `folder`, which takes the place of
    what was there. Raises InterfaceError, BuildError, OSError."""
    check_name(name)
    interfaces = sorted(dict.fromkeys(interfaces), key=INTERFACES.index)
    levels = sorted(dict.fromkeys(levels), key=list(isa.LEVELS).index)
    if interfaces != ["c"] and scalar != "double":
        raise InterfaceError("these hosts compute in double precision: --dtype float64")
    if "c" not in interfaces:
        others = {f: None for f in program.functions() if f not in ("forward", "jacobian")}
        program = replace(program, **others)
    parts, printers = [], []
    for interface in interfaces:
        if interface == "c":
            parts.append(header.c(program, name))
            printers.append(source.c_text)
            continue
        umat = interface == "umat"
        law = law_of(name, program, knows_time=umat, tensor_fields=not umat)
        body = (source.umat_text if umat else source.mfront_text)(law, program)
        parts.append((header.umat if umat else header.behaviour)(law))
        printers.append(lambda levels, body=body: body)

    kernel_text = kernel.source(program, scalar)
    start = perf_counter()
    with staging.staged(folder) as new:
        progress(f"lib{name}.so", 0, 1, 0.0)
        text = _with_headers(source.kernels_text(levels) + "".join(p(levels) for p in printers))
        exported = [symbol for i in interfaces for symbol in _exported(i, name)]
        (new / f"lib{name}.so").write_bytes(_object(name, kernel_text, text, exported, levels))
        (new / f"{name}.h").write_text(header.text(name, parts))
        if with_source:
            alone = kernel_text + source.kernels_text([]) + "".join(p([]) for p in printers)
            flags = [toolchain.compiler(), *(f for f in toolchain.FLAGS if f not in ("-w", "-fno-rtti")), "-shared"]
            recipe = _RECIPE.format(name=name, interfaces=", ".join(interfaces), command=" ".join(flags))
            (new / f"{name}.cpp").write_text(recipe + _with_headers(alone))
        names = sorted(p.name for p in new.iterdir())
    progress("", 1, 1, perf_counter() - start)
    return [folder / n for n in names]


def _exported(interface: str, name: str) -> list[str]:
    """Symbols that leave the object, as a linker's version script has them."""
    return {"c": [source.ENTRY], "umat": source.umat_symbols(name), "mfront": [f"{name}_*"]}[interface]


def _with_headers(text: str) -> str:
    folder = toolchain.include_folder()
    return source.whole(text, _Headers(folder))


class _Headers(dict[str, str]):
    """The project's headers by name."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, name: str) -> str:
        self[name] = (self.folder / name).read_text()
        return self[name]


def _object(law: str, kernel_text: str, interface_text: str, exported: Sequence[str], levels: Sequence[str]) -> bytes:
    """The shared object, from the cache of kernels if it is there."""

    def build(target: Path, _: Path) -> None:
        with toolchain.scratch(target) as folder:
            objects = []
            for level in levels:
                renamed = f"-D{source.ENTRY}={source.entry_of(level)}"
                objects += toolchain.compiled(kernel_text, folder / level, level, renamed)
            objects += toolchain.compiled(interface_text, folder / "interface", "generic", layouts=False)
            script = folder / "exported.map"
            script.write_text(f"{{ global: {'; '.join(exported)}; local: *; }};\n")
            made = folder / target.name
            toolchain.link(objects, made, f"-Wl,--version-script={script}", "-Wl,--as-needed")
            made.replace(target)

    made_from = [p for level in levels for p in toolchain.made_from(kernel_text, level)]
    name = f"law_{kernel_cache.key(interface_text, *exported, *made_from)}"
    return kernel_cache.fetch(name, build, suffix=".so", what=f"law {law}, {', '.join(levels)}")

# SPDX-License-Identifier: MIT
"""Kernels of packages are kept: what was compiled once is not compiled again."""

from __future__ import annotations

from input_texts import ELASTICITY
from neml2 import load_input
from neml2.compiler.backends.native import toolchain
from neml2.compiler.compile import Options, compile_input


def test_a_second_compile_takes_the_kernel_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEML2_CACHE_DIR", str(tmp_path / "cache"))
    levels, build = [], toolchain.build

    def counted(text, target, level=None):
        levels.append(level)
        return build(text, target, level)

    monkeypatch.setattr(toolchain, "build", counted)

    def package(name: str, modulus: str, isa: str = "generic") -> bytes:
        (tmp_path / "input.i").write_text(ELASTICITY.replace("200e3", modulus))
        options = Options("elasticity", tmp_path / name, isa=[isa], backend="native")
        folder = compile_input(load_input(tmp_path / "input.i"), options).metadata["cpu"].parent
        return next(folder.glob("*.so")).read_bytes()

    first = package("one", "1e5")
    assert package("two", "1e5") == first and levels == ["generic"]
    assert package("three", "2e5") != first and len(levels) == 2
    package("four", "1e5", "avx2")
    assert levels == ["generic", "generic", "avx2"]

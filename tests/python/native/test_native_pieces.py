# SPDX-License-Identifier: MIT
"""Long functions are split: the pieces compute what the whole did, and each stays short."""

from __future__ import annotations

import re

import pytest
from native_kernels import assert_alike, built, explicit, from_text, viscoplastic

from neml2.compiler.backends.native.text import kernel, pieces


@pytest.mark.parametrize("solver, options", [("Newton", ""), ("NewtonWithLineSearch", "max_linesearch_iterations = 5")])
def test_pieces_compute_what_the_whole_does(monkeypatch, solver, options):
    _, program = from_text(viscoplastic(solver, options), "model", ["stress:strain", "equivalent_stress:t"])
    whole = built(program)
    monkeypatch.setattr(pieces, "LONG", 0)
    monkeypatch.setattr(pieces, "PIECE", 30)
    assert kernel.source(program).count("noinline)) {") > 10
    assert_alike(built(program), whole)


def long(operations: int):
    """A program of about so many operations, each of which needs a neighbour."""

    def nodes(graph, x):
        values, k = list(x), 0
        while k < operations:
            i = k % len(values)
            values[i] = graph.make("sqrt", graph.add(graph.mul(values[i], values[i - 1]), graph.const(float(k))))
            k += 3
        return values

    return explicit([8], nodes)


@pytest.mark.parametrize("operations", [10_000, 40_000])
def test_long_functions_are_short_functions(operations):
    text = kernel.source(long(operations))
    bodies = re.findall(r"noinline\)\) \{\n(.*?)\n\s*\}\(\);", text, re.DOTALL)
    assert len(bodies) >= operations / pieces.PIECE
    assert max(body.count("\n") for body in bodies) <= 2 * pieces.PIECE
    assert len(re.sub(r"noinline\)\) \{\n.*?\n\s*\}\(\);", "", text, flags=re.DOTALL).splitlines()) < 500
    assert int(re.search(r" V w\[(\d+)\];", text)[1]) < 50  # shared values take turns
    assert text.count("\n") < 1.1 * operations + 500


def test_short_functions_stay_whole():
    assert "noinline)) {" not in kernel.source(long(pieces.LONG - 100))

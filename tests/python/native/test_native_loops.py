# SPDX-License-Identifier: MIT
"""Long functions are written in loops, which compute what the statements did."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import assert_alike, built, explicit, from_text, reference, viscoplastic

from neml2.compiler.backends.native.text import kernel, loops, pieces
from neml2.compiler.graph.program import Program
from neml2.native import NumericalFunction


def slip_systems(count: int) -> tuple[NumericalFunction, dict[str, np.ndarray]]:
    """Rates of `count` slip systems that harden each other, and arguments of 11 points."""
    rng = np.random.default_rng(count)
    schmid, hardening = (torch.from_numpy(rng.normal(size=(count, n))) for n in (6, count))

    def rates(stress, strength):
        resolved = schmid @ stress
        rate = torch.sign(resolved) * (torch.abs(resolved) / strength) ** 4.5
        return schmid.T @ rate, hardening @ torch.abs(rate)

    inputs = {"stress": (6,), "strength": (count,)}
    function = NumericalFunction(rates, inputs, ["plastic_rate", "hardening_rate"], name=f"slip_{count}")
    return function, {"stress": rng.normal(size=(11, 6)), "strength": rng.uniform(1, 2, size=(11, count))}


@pytest.mark.parametrize("solver, options", [("Newton", ""), ("NewtonWithLineSearch", "max_linesearch_iterations = 5")])
@pytest.mark.parametrize("split", [False, True])
def test_loops_compute_what_statements_do(monkeypatch, solver, options, split):
    _, program = from_text(viscoplastic(solver, options), "model", ["stress:strain", "equivalent_stress:t"])
    statements = built(program)
    monkeypatch.setattr(loops, "LONG", 0)
    if split:
        monkeypatch.setattr(pieces, "LONG", 0)
        monkeypatch.setattr(pieces, "PIECE", 10)
    text = kernel.source(program)
    assert text.count("for (int i = 0; i < 6; ++i)") >= 5
    assert ("noinline)) {" in text) == split
    assert_alike(built(program), statements)


def test_a_long_function_is_right(monkeypatch):
    monkeypatch.setattr(loops, "LONG", 8000)
    function, values = slip_systems(64)
    assert function.program.graph.count(_stored(function.program)) > loops.LONG
    for points in (1, 11):
        arguments = {name: value[:points] for name, value in values.items()}
        want = torch.func.vmap(function.fn)(*map(torch.from_numpy, arguments.values()))
        for found, expected in zip(function(**arguments), want, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * expected.abs().max())


def test_the_text_grows_with_one_axis_only(monkeypatch):
    monkeypatch.setattr(loops, "LONG", 0)
    lengths = [slip_systems(count)[0].source().count("\n") for count in (8, 16, 32, 64)]
    growth = np.diff(lengths) / (8, 16, 32)
    assert growth.max() <= 12, lengths  # lines for each system; written out they would be 300 for the last ones
    assert lengths[-1] < 900


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_code_may_be_loops(data):
    """Constants that differ, places in no order, values that several loops share, members that fold away."""
    n = data.draw(st.integers(4, 9))
    place = st.lists(st.integers(0, n - 1), min_size=n, max_size=n)
    constant = st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.5, 3.0]), min_size=n, max_size=n)
    first, second, third = (data.draw(place) for _ in range(3))
    factors = data.draw(constant)

    def nodes(graph, x, y):
        z = [graph.make("exp", graph.mul(graph.const(c), x[k])) for c, k in zip(factors, first, strict=True)]
        below = [graph.make("lt", z[k], y[i]) for i, k in enumerate(second)]
        w = [graph.where(below[i], graph.add(z[i], x[i]), graph.mul(z[k], y[k])) for i, k in enumerate(third)]
        total = graph.zero
        for value in w:
            total = graph.add(graph.mul(total, graph.const(0.5)), value)
        shared = [graph.sub(a, graph.mul(total, z[k])) for a, k in zip(w, second, strict=True)]
        return [*shared, total, *z, *shared[:2], *(graph.const(c) for c in factors)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "LONG", 0)
        program = explicit([n, n], nodes)
        library = built(program, level="generic")
    points = 3
    rng = np.random.default_rng(n)
    values = {name: rng.normal(size=(points, n)) for name in ("x0", "x1")}
    (want,), _, _ = reference(program, "forward", values, points)
    np.testing.assert_allclose(library.forward(values)[0]["y"], want, rtol=1e-13, atol=1e-13)


def test_constants_of_any_size_in_single_precision(monkeypatch):
    monkeypatch.setattr(loops, "LONG", 0)
    constants = [1e300, 0.1, -0.0, 0.0, float("nan"), 3e38, -2.5, 0.25, 1e-300, float("inf")]

    def nodes(graph, x):
        factors = map(graph.const, constants)
        return [graph.make("exp", graph.mul(c, v)) for c, v in zip(factors, x, strict=True)]

    program = explicit([10], nodes)
    found = built(program, scalar="float").forward({"x0": np.full((5, 10), 0.5, np.float32)})[0]["y"]
    with np.errstate(over="ignore"):
        want = np.exp(np.array(constants).astype(np.float32) * np.float32(0.5))
    np.testing.assert_allclose(found, np.broadcast_to(want, (5, 10)), rtol=1e-6)


def test_short_functions_have_no_loops():
    function, _ = slip_systems(4)
    assert not re.search(r"for \(int i = 0; i < 4; ", function.source())


def _stored(program: Program) -> list[int]:
    (step,) = program.forward.steps
    return [node for _, node in step.stores]

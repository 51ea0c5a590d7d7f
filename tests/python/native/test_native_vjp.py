# SPDX-License-Identifier: MIT
"""vjp of kernels: the cotangents times the Jacobian, for explicit functions, nonlinear systems one after the other, cut
steps, sites; the same in any layout; sums over points that share a value."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import built, explicit, from_text, reference, steps_of, viscoplastic

from crystal_inputs import CRYSTAL
from input_texts import viscoplasticity
from neml2.compiler.backends.native import host
from neml2.compiler.graph.program import Program
from support import ROOT

CUT = viscoplasticity(
    50, 200, 3,
    solver_options="max_its = 9\n    abs_tol = 1e-12",
    options="max_substepping_level = 4\n    incremental_variables = 'strain'",
)  # fmt: skip


def benchmark(name: str) -> str:
    return (ROOT / "benchmarks" / "implicit" / f"{name}.i").read_text()


LAWS = {
    "rates": (viscoplastic(), ["stress:strain", "stress:t", "equivalent_stress:strain", "equivalent_stress:stress~1"]),
    "search": (viscoplastic("NewtonWithLineSearch"), ["stress:strain", "equivalent_plastic_strain:t"]),
    "isoharden": (benchmark("isoharden"), ["stress:strain", "stress:stress~1", "equivalent_plastic_strain:strain"]),
    "chaboche2": (benchmark("chaboche2"), ["stress:strain", "stress:X1~1", "X1:strain", "stress:t"]),
    "radret": (benchmark("radret"), None),
    "cut": (CUT, None),
    "crystal": (
        CRYSTAL.replace("${strength}", "50").replace("${structure}", "dense"),
        ["elastic_strain:deformation_rate", "orientation:orientation~1", "slip_hardening:t"],
    ),
}


@cache
def law(name: str) -> tuple[Program, host.Library]:
    text, pairs = LAWS[name]
    model = "update" if name == "crystal" else "model"
    if pairs is None:
        whole = from_text(text, model)[1]
        pairs = [f"{o.name}:{i.name}" for o in whole.outputs for i in whole.inputs]
    made = from_text(text, model, pairs)[1]
    return made, built(made)


def some_values(made: Program, points: int, seed: int) -> dict[str, np.ndarray]:
    """Small strains, of points some of which yield."""
    rng = np.random.default_rng(seed)
    found = {}
    for a in made.inputs:
        size = {"strain": 3e-3, "E": 3e-3}.get(a.name.split("~")[0], 1e-3)
        found[a.name] = rng.normal(size=(points, *a.shape)) * size
        if a.name.split("~")[0] in ("t", "equivalent_plastic_strain", "ep"):
            found[a.name] = abs(found[a.name])
        if a.name == "t":
            found[a.name] += 1.0
        if a.name.startswith("slip_hardening"):
            found[a.name] = abs(found[a.name]) + 1.0
    return found


def contracted(blocks: dict, cotangents: dict, points: int) -> dict[str, np.ndarray]:
    """Cotangents times blocks, by input, (points, components)."""
    found: dict[str, np.ndarray] = {}
    for (out, given_), block in blocks.items():
        c = cotangents[out].reshape(points, -1)
        part = np.einsum("po,poi->pi", c, block.reshape(points, c.shape[1], -1))
        found[given_] = found.get(given_, 0) + part
    return found


def check(made: Program, library: host.Library, values: dict, points: int, seed: int, rtol: float = 1e-10) -> None:
    rng = np.random.default_rng(seed)
    cotangents = {o.name: rng.normal(size=(points, *o.shape)) for o in made.outputs}
    outputs, blocks, report = library.jacobian(values)
    again, found, other = library.vjp(values, cotangents)
    np.testing.assert_array_equal(report.status, other.status)
    there = report.status == 0
    assert there.mean() > 0.6
    wanted = contracted(blocks, cotangents, points)
    for name, value in outputs.items():
        np.testing.assert_array_equal(again[name][there], value[there])
    for a in made.inputs:
        want = wanted.get(a.name, np.zeros((points, a.size)))[there]
        scale = max(abs(want).max(initial=0), 1e-30)
        got = found[a.name].reshape(points, -1)[there]
        np.testing.assert_allclose(got, want, rtol=0, atol=rtol * scale, err_msg=a.name)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("points", [1, 13])
def test_vjp_is_the_cotangents_times_the_jacobian(name, points):
    made, library = law(name)
    values = steps_of(points, 3) if name in ("rates", "search") else some_values(made, points, 3)
    check(made, library, values, points, 5)


@given(seed=st.integers(0, 10**6), points=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_any_state(seed, points):
    made, library = law("isoharden")
    check(made, library, some_values(made, points, seed), points, seed + 1)


def test_the_interpreter_agrees():
    made, library = law("rates")
    values, rng = steps_of(7, 2), np.random.default_rng(0)
    cotangents = {o.name: rng.normal(size=(7, *o.shape)) for o in made.outputs}
    _, want, _ = reference(made, "vjp", values, 7, cotangents)
    found = library.vjp(values, cotangents)[1]
    for a, w in zip(made.inputs, want, strict=True):
        np.testing.assert_allclose(found[a.name].reshape(7, -1), w, rtol=1e-10, atol=1e-10 * max(abs(w).max(), 1e-30))


def test_the_adjoint_of_a_branch_not_taken_is_not_nan():
    def nodes(g, x):
        root = g.make("sqrt", x[0])
        return [g.where(g.make("lt", g.zero, x[0]), root, g.mul(x[1], x[1]))]

    library = built(explicit([2], nodes, [(0, 0)]))
    found = library.vjp({"x0": np.array([[0.0, 3.0], [4.0, 3.0]])}, {"y": np.ones((2, 1))})[1]["x0"]
    np.testing.assert_allclose(found, [[0, 6], [0.25, 0]])


SHARED = [
    ((5,), ()), ((1,), ()), ((5,), (1,)), ((3, 4), ()), ((3, 4), (4,)), ((3, 4), (3, 1)), ((3, 4), (1, 1)), ((0,), ()),
]  # fmt: skip


@pytest.mark.parametrize("batch, own", SHARED)
def test_shared_values_get_the_sum(batch, own):
    def nodes(g, x, y):
        return [g.mul(x[0], y[1]), g.mul(g.mul(x[0], x[0]), y[0])]

    library = built(explicit([1, 2], nodes, [(0, 0), (0, 1)]))
    rng = np.random.default_rng(1)
    values = {"x0": rng.normal(size=(*own, 1)), "x1": rng.normal(size=(*batch, 2))}
    c = rng.normal(size=(*batch, 2))
    found = library.vjp(values, {"y": c})[1]
    x, y = np.broadcast_to(values["x0"], (*batch, 1)), values["x1"]
    each = c[..., :1] * y[..., 1:] + 2 * c[..., 1:] * x * y[..., :1]
    lead = len(batch) - len(own)
    want = each.sum(axis=tuple(range(lead)))
    want = want.sum(axis=tuple(k for k, n in enumerate(own) if n == 1), keepdims=True)
    assert found["x0"].shape == values["x0"].shape
    np.testing.assert_allclose(found["x0"], want, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(found["x1"], np.concatenate([c[..., 1:] * x * x, c[..., :1] * x], -1), rtol=1e-13)


UNARY = ("sin", "exp", "tanh", "neg", "abs", "atan")
BINARY = ("add", "sub", "mul")


@st.composite
def expressions(draw):
    """A random explicit function of two inputs, whose outputs share what they are made of."""
    recipe = draw(
        st.lists(st.tuples(st.integers(0, 8), st.integers(0, 99), st.integers(0, 99)), min_size=3, max_size=15)
    )

    def nodes(g, x, y):
        known = [*x, *y]
        for kind, i, j in recipe:
            a, b = known[i % len(known)], known[j % len(known)]
            if kind < 6:
                known.append(g.make(UNARY[kind], a) if kind % 2 else g.make(BINARY[kind // 2], a, b))
            elif kind < 8:
                known.append(g.make(UNARY[j % len(UNARY)], a))
            else:
                known.append(g.where(g.make("lt", a, b), g.mul(a, a), b))
        return known[-3:]

    return explicit([2, 3], nodes, [(0, 0), (0, 1)])


@given(made=expressions(), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_any_explicit_function(made, seed):
    rng = np.random.default_rng(seed)
    values = {"x0": rng.uniform(-1, 1, (4, 2)), "x1": rng.uniform(-1, 1, (4, 3))}
    c = rng.normal(size=(4, 3))
    _, blocks, _ = reference(made, "jacobian", values, 4)
    _, found, _ = reference(made, "vjp", values, 4, {"y": c})
    for (_, k), block in zip(made.pairs, blocks, strict=True):
        want = np.einsum("po,poi->pi", c, block.reshape(4, 3, -1))
        scale = np.einsum("po,poi->pi", abs(c), abs(block.reshape(4, 3, -1))) + 1e-300
        assert (abs(found[k] - want) <= 1e-12 * scale + 1e-13).all()

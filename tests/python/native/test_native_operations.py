# SPDX-License-Identifier: MIT
"""Every operation of a point graph, compiled: in wide lanes and at one point, for each instruction set of this CPU."""

from __future__ import annotations

import numpy as np
import pytest
from native_kernels import LEVELS, built, explicit

from neml2.compiler.graph.interpret import NUMPY_SEMANTICS
from neml2.compiler.graph.pointgraph import BINARY, COMPARISONS, UNARY

mpmath = pytest.importorskip("mpmath")

# in units of the last place of the correctly rounded result: what math.h states
ULPS = {"exp": 1.0, "log": 0.8, "sin": 0.9, "cos": 0.9, "tan": 2.3, "sinh": 2.2, "cosh": 1.5, "tanh": 2.5, "pow": 1.2,
        "erf": 1.0}  # fmt: skip
RANGES = {
    "exp": [(-700, 700), (-1, 1)], "log": [(0.5, 2), (1e-300, 1e300)], "sin": [(-10, 10), (-1e5, 1e5)],
    "cos": [(-10, 10), (-1e5, 1e5)], "tan": [(-10, 10), (-1e5, 1e5)], "sinh": [(-5, 5), (-600, 600), (-1e-3, 1e-3)],
    "cosh": [(-5, 5), (-600, 600)], "tanh": [(-3, 3), (-1e-3, 1e-3), (-40, 40)],
    "erf": [(-2, 2), (-6.5, 6.5), (-1e-3, 1e-3)],
}  # fmt: skip


def every_operation(graph, x, y):
    (a,), (b,) = x, y
    nodes = [graph.make(op, a) for op in UNARY]
    nodes += [graph.make(op, a, b) for op in BINARY]
    truths = [graph.make(op, a, b) for op in COMPARISONS]
    nodes += [graph.where(t, a, b) for t in truths]
    both = graph.make("and", truths[0], graph.make("le", graph.const(0.0), a))
    either = graph.make("or", truths[2], graph.make("not", truths[1]))
    return [*nodes, graph.where(both, b, a), graph.where(either, graph.const(1.5), graph.const(-2.0))]


def expected(a, b):
    s = NUMPY_SEMANTICS
    with np.errstate(all="ignore"):
        values = [s[op](a) for op in UNARY] + [s[op](a, b) for op in BINARY]
        values += [np.where(s[op](a, b), a, b) for op in COMPARISONS]
        values += [np.where((a < b) & (a >= 0), b, a), np.where((a == b) | ~(a <= b), 1.5, -2.0)]
    return np.stack(values, -1)


SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 1e-310, 1e300, -1e300, np.inf, -np.inf, np.nan, 710.0, -746.0]
)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("scalar", ["double", "float"])
def test_every_operation(level, scalar):
    library = built(explicit([1, 1], every_operation), level, scalar)
    assert library.isa == level
    rng = np.random.default_rng(1)
    a = np.concatenate([rng.normal(size=37), np.repeat(SPECIAL, len(SPECIAL))]).astype(library.dtype)
    b = np.concatenate([rng.normal(size=37), np.tile(SPECIAL, len(SPECIAL))]).astype(library.dtype)
    want = expected(a.astype(float), b.astype(float)).astype(library.dtype)
    rtol = 1e-6 if scalar == "float" else 1e-15
    wide, _ = library.forward({"x0": a[:, None], "x1": b[:, None]})
    one = np.stack([library.forward({"x0": p[None], "x1": q[None]})[0]["y"] for p, q in zip(a, b, strict=True)])
    if scalar == "float":  # the reference in double does not overflow or underflow where floats do
        usual = np.isfinite(want) & (np.abs(want) > 1e-37) & (np.abs(a[:, None]) > 1e-37)
        want, wide, one = (np.where(usual, v, 0) for v in (want, wide["y"], one))
    else:
        wide = wide["y"]
    for got in (wide, one):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=0)


def ulps(got, exact):
    """Errors in units of the last place of the correctly rounded result."""
    unit = np.spacing(np.abs(np.array([float(e) for e in exact])))
    return np.array([abs(mpmath.mpf(float(g)) - e) / u for g, e, u in zip(got, exact, unit, strict=True)], float)


@pytest.mark.parametrize("level", LEVELS)
def test_accuracy_is_what_the_header_says(level):
    names = list(RANGES)
    library = built(explicit([len(names)], lambda g, x: [g.make(op, x[k]) for k, op in enumerate(names)]), level)
    rng = np.random.default_rng(2)
    mpmath.mp.dps = 40
    for width in range(3):
        bounds = [RANGES[n][min(width, len(RANGES[n]) - 1)] for n in names]
        x = np.stack([_draw(rng, low, high, 400) for low, high in bounds], -1)
        found = library.forward({"x0": x})[0]["y"]
        for k, name in enumerate(names):
            exact = [getattr(mpmath, name)(mpmath.mpf(v)) for v in x[:, k]]
            assert ulps(found[:, k], exact).max() <= ULPS[name], name


def _draw(rng, low, high, count):
    if low > 0 and high / low > 1e10:
        return np.exp(rng.uniform(np.log(low), np.log(high), count))
    return rng.uniform(low, high, count)


@pytest.mark.parametrize("level", LEVELS)
def test_accuracy_of_powers(level):
    library = built(explicit([1, 1], lambda g, x, y: [g.make("pow", x[0], y[0])]), level)
    rng = np.random.default_rng(3)
    x = np.exp(rng.uniform(-300, 300, 1500))
    y = rng.uniform(-1, 1, 1500) * 700 / np.maximum(np.abs(np.log(x)), 1)
    found = library.forward({"x0": x[:, None], "x1": y[:, None]})[0]["y"][:, 0]
    mpmath.mp.dps = 40
    assert ulps(found, [mpmath.mpf(a) ** mpmath.mpf(b) for a, b in zip(x, y, strict=True)]).max() <= ULPS["pow"]


def test_operation_without_words_is_refused_by_name():
    from dataclasses import replace

    from neml2.compiler.backends.native.text.printer import LANES, Printer, UnsupportedOperationError
    from neml2.compiler.graph.pointgraph import PointGraph

    graph = PointGraph()
    few = replace(LANES, operations={k: v for k, v in LANES.operations.items() if k != "tanh"})
    with pytest.raises(UnsupportedOperationError, match="tanh"):
        Printer(graph, str, few).statements([graph.make("tanh", graph.input(0))])

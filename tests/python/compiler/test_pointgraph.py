# SPDX-License-Identifier: MIT
"""The point graph keeps the meaning of what is built into it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neml2.compiler.graph.pointgraph import PointGraph

NUMBERS = st.floats(-4, 4).map(lambda x: round(x, 3))
STATE = [0.7, -1.3, 2.1]

SMOOTH = {"exp": math.exp, "sin": math.sin, "cos": math.cos, "tanh": math.tanh, "atan": math.atan, "abs": abs}
BINARY = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}


@st.composite
def expressions(draw, depth=4):
    """(build, value): the same random expression as a recipe for a graph and as a plain number."""
    kind = draw(
        st.sampled_from(
            ["const", "input"] if depth == 0 else ["const", "input", "un", "un", "bin", "bin", "where", "neg"]
        )
    )
    if kind == "const":
        value = draw(st.one_of(st.sampled_from([0.0, 1.0, -1.0, 2.0]), NUMBERS))
        return (lambda g: g.const(value)), value
    if kind == "input":
        k = draw(st.integers(0, len(STATE) - 1))
        return (lambda g: g.input(k)), STATE[k]
    a, x = draw(expressions(depth=depth - 1))
    if kind == "neg":
        return (lambda g: g.neg(a(g))), -x
    if kind == "un":
        op = draw(st.sampled_from(sorted(SMOOTH)))
        small = max(-30.0, min(30.0, x))
        return (
            lambda g: g.make(
                op,
                g.where(
                    g.make("lt", a(g), g.const(30.0)),
                    g.where(g.make("lt", g.const(-30.0), a(g)), a(g), g.const(-30.0)),
                    g.const(30.0),
                ),
            )
        ), SMOOTH[op](small)
    b, y = draw(expressions(depth=depth - 1))
    if kind == "where":
        return (lambda g: g.where(g.make("le", a(g), b(g)), a(g), g.mul(b(g), b(g)))), (x if x <= y else y * y)
    op = draw(st.sampled_from(sorted(BINARY)))
    return (lambda g: g.make(op, a(g), b(g))), BINARY[op](x, y)


@given(expressions())
def test_simplification_keeps_the_value(expression):
    build, expected = expression
    graph = PointGraph()
    (value,) = graph.evaluate([build(graph)], STATE)
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-9)


@given(expressions())
def test_building_twice_gives_the_same_node(expression):
    build, _ = expression
    graph = PointGraph()
    assert build(graph) == build(graph)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda g, x, y: g.add(x, g.zero), "x"),
        (lambda g, x, y: g.mul(g.one, x), "x"),
        (lambda g, x, y: g.mul(x, g.zero), 0.0),
        (lambda g, x, y: g.sub(x, x), 0.0),
        (lambda g, x, y: g.neg(g.neg(x)), "x"),
        (lambda g, x, y: g.make("pow", x, g.one), "x"),
        (lambda g, x, y: g.make("pow", x, g.zero), 1.0),
        (lambda g, x, y: g.where(g.make("lt", x, y), x, x), "x"),
        (lambda g, x, y: g.where(g.const(True), x, y), "x"),
        (lambda g, x, y: g.logical_not(g.logical_not(g.make("lt", x, y))), "lt"),
    ],
)
def test_identities(build, expected):
    graph = PointGraph()
    x, y = graph.input(0), graph.input(1)
    node = build(graph, x, y)
    if expected == "x":
        assert node == x
    elif expected == "lt":
        assert graph.op[node] == "lt"
    else:
        assert graph.constant_of(node) == expected


def test_equal_expressions_meet_whatever_the_order():
    g = PointGraph()
    x, y = g.input(0), g.input(1)
    assert g.mul(g.mul(g.const(2.0), x), y) == g.mul(g.const(2.0), g.mul(y, x))
    assert g.div(x, y) == g.mul(g.make("recip", y), x)
    assert g.mul(g.neg(x), y) == g.neg(g.mul(y, x))


def test_signed_zero_and_nan_are_constants_of_their_own():
    g = PointGraph()
    assert g.const(0.0) != g.const(-0.0)
    assert g.const(math.nan) == g.const(math.nan)
    assert g.const(True) != g.const(1.0)


def test_text_can_be_read():
    g = PointGraph()
    e, modulus = g.input(0), g.input(1)
    text = g.text([g.mul(modulus, e)], {0: "strain", 1: "E"})
    assert text == "v0 = mul(strain, E)\nout0 = v0"


def test_evaluation_takes_other_semantics():
    g = PointGraph()
    node = g.make("exp", g.add(g.input(0), g.one))
    semantics = {"exp": np.exp, "add": np.add}
    (values,) = g.evaluate([node], [np.array([0.0, 1.0])], semantics)
    np.testing.assert_allclose(values, np.exp([1.0, 2.0]), rtol=1e-15)


def test_operands_precede_their_node_and_dead_code_is_not_counted():
    g = PointGraph()
    x = g.input(0)
    used = g.mul(x, x)
    g.make("exp", x)
    assert g.count([used]) == 1
    assert g.reachable([used]) == [x, used]
    assert g.inputs_of([used]) == {0}


def test_exact_values_keep_every_rounding():
    g = PointGraph()
    g.exact = True
    x, y = g.input(0), g.input(1)
    product = g.mul(g.mul(g.const(3.0), x), y)
    (value,) = g.evaluate([product], [0.1, 0.7])
    assert value == (3.0 * 0.1) * 0.7
    (value,) = g.evaluate([g.div(x, g.const(3.0))], [0.1])
    assert value == 0.1 / 3.0
    assert g.op[g.div(x, g.const(4.0))] == "mul"  # exact either way

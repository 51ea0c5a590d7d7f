# SPDX-License-Identifier: MIT
"""Plans: segments, scopes, the layout of the state, and derivatives through several segments."""

import numpy as np
import pytest
import torch
from plan_interpreter import evaluate

from input_texts import implicit_update
from neml2.compiler.plan.build import plan_of
from neml2.compiler.plan.layout import Request
from neml2.compiler.plan.plan import ForwardSegment, ImplicitSegment
from neml2.compiler.plan.segments import capture_model
from neml2.hit import load_string

# A scalar law whose state update stands between two explicit pieces, and where `inner` means one thing in `before` and
# another in `residual`:  inner = 2 a, y = sqrt(3) ... see the equations beside each block.
SANDWICH = """
[Models]
  [double]                       # inner = 2 a
    type = ScalarLinearCombination
    from = 'a'
    to = 'inner'
    weights = '2'
  []
  [shift]                        # drive = inner + b
    type = ScalarLinearCombination
    from = 'inner b'
    to = 'drive'
  []
  [before]
    type = ComposedModel
    models = 'double shift'
  []
  [square]                       # inner = c x x, another inner
    type = ScalarMultiplication
    from = 'x x'
    to = 'inner'
    scaling = 3
  []
  [balance]                      # x_residual = inner + x - drive
    type = ScalarLinearCombination
    from = 'inner x drive'
    to = 'x_residual'
    weights = '1 1 -1'
  []
  [residual]
    type = ComposedModel
    models = 'square balance'
  []
  [result]                       # y = 5 x + a
    type = ScalarLinearCombination
    from = 'x a'
    to = 'y'
    weights = '5 1'
  []
  [model]
    type = ComposedModel
    models = 'before update result'
    additional_outputs = 'x'
  []
[]
""" + implicit_update("residual", scalars="x")


def build(text=SANDWICH, promoted=(), pairs=(), name="model"):
    return plan_of(capture_model(load_string(text).get_model(name), Request(list(promoted), list(pairs))))


def solution(a, b, c=3.0):
    """x of c x^2 + x = 2 a + b."""
    return (-1 + np.sqrt(1 + 4 * c * (2 * a + b))) / (2 * c)


POINT = {"a": np.array(0.7), "b": np.array(0.4), "x~1": np.array(0.5)}


def test_segments_follow_the_implicit_update():
    plan = build()
    assert [type(s).__name__ for s in plan.segments] == ["ForwardSegment", "ImplicitSegment", "ForwardSegment"]
    assert {s.name for s in plan.inputs} == set(POINT)
    assert [s.name for s in plan.outputs] == ["y", "x"]


def test_values_with_one_name_in_two_scopes():
    outputs, _ = evaluate(build(), POINT)
    x = solution(0.7, 0.4)
    assert outputs["x"] == pytest.approx(x, rel=1e-13)
    assert outputs["y"] == pytest.approx(5 * x + 0.7, rel=1e-13)


def test_only_what_outlives_a_segment_is_in_the_state():
    plan = build()
    stored = sum(s.size for s in plan.inputs) + 1 + 1 + 1  # drive, x, y
    assert plan.state_size == stored


def test_variables_do_not_overlap():
    plan = build(promoted=["update.residual.square.scaling"])
    places = [*plan.inputs, *plan.outputs, *(p for p in plan.parameters if p.offset is not None)]
    taken = [c for s in places for c in range(s.offset, s.offset + s.size)]
    assert len(taken) == len(set(taken)) and max(taken) < plan.state_size


def test_derivatives_through_all_segments_and_parameters():
    name = "update.residual.square.scaling"
    pairs = [(o, i) for o in ("x", "y") for i in ("a", "b", "x~1", name)]
    plan = build(promoted=[name], pairs=pairs)
    _, J = evaluate(plan, POINT, {name: 2.5})
    a, b, c = 0.7, 0.4, 2.5
    x = solution(a, b, c)
    slope = 1 / (2 * c * x + 1)
    assert J["x"]["a"][0, 0] == pytest.approx(2 * slope, rel=1e-12)
    assert J["x"]["b"][0, 0] == pytest.approx(slope, rel=1e-12)
    assert J["x"]["x~1"][0, 0] == 0
    assert J["x"][name][0, 0] == pytest.approx(-x * x * slope, rel=1e-12)
    assert J["y"]["a"][0, 0] == pytest.approx(10 * slope + 1, rel=1e-12)
    assert J["y"][name][0, 0] == pytest.approx(-5 * x * x * slope, rel=1e-12)


def test_derivatives_through_a_value_that_passes_by_an_implicit_update():
    """y = 5 x + a^2 with a^2 computed before the update, which has no use for it."""
    aside = "  [aside]\n    type = ScalarMultiplication\n    from = 'a a'\n    to = 'beside'\n  []\n  [before]"
    text = SANDWICH.replace("  [before]", aside).replace("'double shift'", "'double shift aside'")
    text = text.replace("from = 'x a'\n    to = 'y'", "from = 'x beside'\n    to = 'y'")
    plan = build(
        text.replace("models = 'double", "additional_outputs = 'beside'\n    models = 'double"), pairs=[("y", "a")]
    )
    outputs, J = evaluate(plan, POINT)
    x = solution(0.7, 0.4)
    assert outputs["y"] == pytest.approx(5 * x + 0.49, rel=1e-13)
    assert J["y"]["a"][0, 0] == pytest.approx(10 / (6 * x + 1) + 2 * 0.7, rel=1e-12)


def test_dependencies_of_blocks_are_found_by_reachability():
    plan = build(pairs=[("y", "a"), ("x", "x~1")])
    by_pair = {(d["output"], d["input"]): d["depends_on"] for d in plan.derivatives}
    assert by_pair["y", "a"] == ["a", "b"]
    assert by_pair["x", "x~1"] == []


def test_a_predictor_that_copies_needs_no_kernel():
    text = SANDWICH.replace("models = 'before update result'", "models = 'update'").replace(
        "from = 'inner x drive'", "from = 'inner x b'"
    )
    plan = build(text)
    forward, implicit = plan.segments
    assert isinstance(forward, ForwardSegment) and forward.value is None and len(forward.copies) == 1
    assert isinstance(implicit, ImplicitSegment)
    outputs, _ = evaluate(plan, {"b": np.array(1.3), "x~1": np.array(0.5)})
    assert outputs["x"] == pytest.approx(solution(0.0, 1.3), rel=1e-13)


def test_an_unknown_without_predictor_starts_from_the_input_of_its_name():
    plan = build(SANDWICH.replace("    predictor = 'predictor'\n", ""))
    assert "x" in {s.name for s in plan.inputs}
    outputs, _ = evaluate(plan, {"a": POINT["a"], "b": POINT["b"], "x": np.array(0.3)})
    assert outputs["x"] == pytest.approx(solution(0.7, 0.4), rel=1e-13)


def test_no_derivatives_unless_asked_for():
    plan = build()
    assert all(s.derivative is None for s in plan.segments)
    assert plan.derivatives == []


def test_a_residual_graph_is_there_for_a_line_search_alone():
    assert build().segments[1].residual is None
    plan = build(SANDWICH.replace("type = Newton\n", "type = NewtonWithLineSearch\n"))
    assert plan.segments[1].residual is not None
    assert plan.segments[1].solver["linesearch_type"] == "BACKTRACKING"


def test_a_parameter_with_batch_axes_is_stored_in_the_state():
    text = """
[Models]
  [p]
    type = ArrheniusParameter
    temperature = 'T'
    reference_value = '1 2 3'
    activation_energy = 1000
    ideal_gas_constant = 8.314
  []
[]
"""
    plan = build(text, name="p", pairs=[("p", "T")])
    by_name = {p.name: p for p in plan.parameters}
    assert by_name["p0"].batch_shape == (3,) and by_name["p0"].offset is not None and not by_name["p0"].promoted
    assert by_name["Q"].offset is None
    outputs, J = evaluate(plan, {"T": np.array(900.0)}, {"p0": 2.0})
    expected = 2 * np.exp(-1000 / (8.314 * 900))
    assert outputs["p"] == pytest.approx(expected, rel=1e-14)
    assert J["p"]["T"][0, 0] == pytest.approx(expected * 1000 / (8.314 * 900**2), rel=1e-13)
    assert plan.derivatives[0]["depends_on"] == ["T", "p0"]


def test_agreement_with_eager_for_a_whole_model():
    source = load_string(SANDWICH)
    model = source.get_model("model")
    inputs = {n: torch.tensor(float(v), dtype=torch.float64) for n, v in POINT.items()}
    outputs, J = model.jacobian(inputs)
    plan = plan_of(capture_model(model, Request([], [("y", "a"), ("y", "b")])))
    values, blocks = evaluate(plan, POINT)
    assert values["y"] == pytest.approx(float(outputs["y"].data.detach()), rel=1e-9)
    for name in ("a", "b"):
        assert blocks["y"][name][0, 0] == pytest.approx(float(J["y"][name].detach()), rel=1e-8)

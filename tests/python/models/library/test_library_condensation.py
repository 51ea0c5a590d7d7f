# SPDX-License-Identifier: MIT
"""Condensed rate systems: the line through zero rate, and the guess that solves it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neml2.compiler.frontend.capture import capture, inputs
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.hit import load_string
from neml2.types import Scalar

FILE = """
[Models]
  [law]
    type = PerzynaPlasticFlowRate
    reference_stress = 'eta'
    exponent = 2.5
  []
  [predictor]
    type = CoordinateDescentPredictor
    rate_law = 'law'
    driving_force_input = '${force}'
    sweeps = ${sweeps}
    bisections = ${bisections}
  []
  [elastic]
    type = ScalarLinearCombination
    from = 'trial gamma'
    weights = '1 -3'
  []
  [squared]
    type = ScalarMultiplication
    from = 'to to'
    to = 'force'
  []
  [return_path]
    type = ComposedModel
    models = 'elastic squared'
  []
  [condensation]
    type = RateCondensation
    model = 'return_path'
    rate = '${rate}'
    driving_force = '${driving_force}'
  []
[]
"""
DEFAULTS = {"force": "yield_function", "sweeps": "40", "bisections": "16", "rate": "gamma", "driving_force": "force"}
D = {"dtype": torch.float64}


def model(name, **changes):
    return load_string(FILE, pre=[f"{k}='{v}'" for k, v in {**DEFAULTS, **changes}.items()]).get_model(name)


def law(w, eta):
    return (np.maximum(w, 0) / eta) ** 2.5


def test_condensation_is_the_value_and_slope_at_zero_rate():
    """force = (trial - 3 gamma)^2, hence -d force / d gamma = 6 trial."""
    condensation = model("condensation")
    assert list(condensation.input_spec) == ["trial"]
    assert list(condensation.output_spec) == ["coupling", "trial_driving_force"]
    assert next(n for n, _ in condensation.named_parameters()) == "model.elastic.weight_0"
    trial = torch.tensor([0.5, -2.0], **D)
    coupling, force = condensation(trial)
    np.testing.assert_allclose(coupling.data.detach(), 6 * trial, rtol=1e-14)
    np.testing.assert_allclose(force.data.detach(), trial**2, rtol=1e-14)
    _, J = condensation.jacobian({"trial": trial})
    np.testing.assert_allclose(J["coupling"]["trial"].detach(), [6.0, 6.0], rtol=1e-14)


def test_condensation_is_captured():
    condensation, graph = model("condensation"), PointGraph()
    results = capture(
        graph, lambda x: [v.data for v in condensation(x)], [torch.zeros((), **D)], [inputs(graph, 0, ())]
    )
    assert graph.evaluate([int(n) for n in results], [0.5]) == [3.0, 0.25]


@pytest.mark.parametrize(
    "changes, words",
    [({"rate": "gama"}, "option 'rate': 'gama' is no Scalar input of .*did you mean 'gamma'"),
     ({"driving_force": "forse"}, "option 'driving_force': 'forse' is no Scalar output of .*did you mean 'force'")],
)  # fmt: skip
def test_condensation_refuses_unknown_names(changes, words):
    with pytest.raises(ValueError, match=words):
        model("condensation", **changes)


def test_one_mechanism():
    predictor = model("predictor")
    assert list(predictor.input_spec) == ["coupling", "trial_driving_force", "eta"]
    assert [n for n, _ in predictor.named_parameters()] == ["rate_law.n"]
    a, b, eta = np.array([2.0, 0.5, 3.0]), np.array([1.5, 0.3, -1.0]), 0.8
    rate = predictor(*(torch.as_tensor(x) for x in (a, b)), torch.tensor(eta, **D)).data.detach().numpy()
    np.testing.assert_allclose(rate, law(b - a * rate, eta), rtol=1e-12, atol=1e-14)
    assert rate[2] == 0


def test_coupled_mechanisms_each_with_a_parameter_of_its_own():
    rng = np.random.default_rng(3)
    batch, m = 5, 4
    root = rng.uniform(-1, 1, (batch, m, m))
    A = 0.2 * root @ root.swapaxes(-1, -2) + np.eye(m)
    b, eta = rng.uniform(-1, 2, (batch, m)), rng.uniform(0.5, 1.5, m)
    rate = model("predictor")(
        Scalar(torch.as_tensor(A), 2), Scalar(torch.as_tensor(b), 1), Scalar(torch.as_tensor(eta), 1)
    )
    assert rate.sub_batch_ndim == 1 and rate.data.shape == (batch, m)
    g = rate.data.detach().numpy()
    np.testing.assert_allclose(g, law(b - np.einsum("bij,bj->bi", A, g), eta), rtol=1e-10, atol=1e-12)


def test_the_guess_is_captured():
    predictor, graph = model("predictor", sweeps="2", bisections="4"), PointGraph()
    A, b = [[1.5, 0.3], [0.2, 2.0]], [1.0, 0.4]

    def function(*data):
        return [predictor(Scalar(data[0], 2), Scalar(data[1], 1), Scalar(data[2])).data]

    arguments = [torch.tensor(A, **D), torch.tensor(b, **D), torch.tensor(0.8, **D)]
    nodes = [inputs(graph, 0, (2, 2)), inputs(graph, 4, (2,)), inputs(graph, 6, ())]
    (result,) = capture(graph, function, arguments, nodes)
    found = graph.evaluate([int(n) for n in result], [1.5, 0.3, 0.2, 2.0, 1.0, 0.4, 0.8])
    np.testing.assert_allclose(found, function(*arguments)[0].detach(), rtol=1e-12)


@pytest.mark.parametrize("square, vector", [((3, 4), (4,)), ((4,), (4,)), ((4, 4), ())])
def test_extents_must_match(square, vector):
    A, b = Scalar(torch.ones(square, **D), len(square)), Scalar(torch.ones(vector, **D), len(vector))
    with pytest.raises(ValueError, match="must have site axes"):
        model("predictor")(A, b, 1.0)


@pytest.mark.parametrize(
    "changes, words",
    [({"force": "yield_funktion"}, "option 'driving_force_input': .*did you mean 'yield_function'"),
     ({"sweeps": "-1"}, "option 'sweeps': .*at least 0")],
)  # fmt: skip
def test_the_guess_refuses_bad_options(changes, words):
    with pytest.raises(ValueError, match=words):
        model("predictor", **changes)

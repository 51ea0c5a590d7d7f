# SPDX-License-Identifier: MIT
"""Batches without points, through every operation, backend and kind of model: shapes, and no error."""

import pytest
import torch
from implicit_cases import CASES, CUBIC_DECAY, F64

from input_texts import ELASTICITY
from neml2 import load_input

FLAGS = {"radret": ("-d", ":"), "cubic": ("-d", ":"), "elasticity": ("-d", ":")}
LAWS = {
    "radret": (CASES["radret"][0], "model"),
    "cubic": (CUBIC_DECAY, "model"),
    "elasticity": (ELASTICITY, "elasticity"),
}
ROUTES = ("native", "aoti", "device")


@pytest.fixture
def model(compiled, monkeypatch):
    def load(law, route):
        text, name = LAWS[law]
        flags = CASES[law][1] if law in CASES else ("-d", ":")
        stub = compiled(text, name, *flags, *(("--backend", "native") if route == "native" else ()))
        monkeypatch.setenv("NEML2_ENGINE", "device" if route == "device" else "cpu")
        return load_input(stub).get_model(name)._inner

    return load


def empty(model, batch):
    return {name: torch.zeros(*batch, *shape, dtype=F64) for name, shape in model.input_base_shapes.items()}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("batch", [(0,), (3, 0), (0, 2)])
def test_every_operation(model, law, route, batch):
    made = model(law, route)
    inputs, shapes = empty(made, batch), made.output_base_shapes
    outputs = {name: (*batch, *shape) for name, shape in shapes.items()}

    def check(found):
        assert {name: tuple(value.shape) for name, value in found.items()} == {n: outputs[n] for n in found}

    check(made.forward(inputs))
    assert made.forward_natural(inputs).keys() == outputs.keys()
    values, products = made.jvp(inputs, {made.derivative_pairs[0][1]: inputs[made.derivative_pairs[0][1]]})
    check(values)
    check(products)
    values, blocks = made.jacobian(inputs)
    check(values)
    some = {name: torch.ones(2, *shape, dtype=F64) for name, shape in made.input_base_shapes.items()}
    for name in some:  # a step that any of these laws can take
        some[name] *= {"t": 3.0, "t~1": 2.0}.get(name, 1e-3)
    usual = made.jacobian(some)[1]  # which blocks have batch axes does not depend on how many points there are
    for output, row in usual.items():
        for name, block in row.items():
            base = (*shapes[output], *made.input_base_shapes[name])
            expected = (*batch, *base) if block.dim() > len(base) else base
            assert blocks[output][name].shape == expected
            if block.dim() == len(base):
                assert torch.equal(blocks[output][name], block)
    into = {name: torch.zeros(shape, dtype=F64) for name, shape in outputs.items()}
    made.forward_into(inputs, into)
    made.jacobian_into(inputs, into, blocks)


@pytest.mark.parametrize("route", ROUTES)
def test_what_all_points_share_is_there_without_any(model, route):
    """The update of x is unbatched, and solved; only y has a batch, without points."""
    made = model("cubic", route)
    scalar = {"x~1": 2.0, "t": 1.0, "t~1": 0.0}
    inputs = {name: torch.tensor(value, dtype=F64) for name, value in scalar.items()}
    outputs, blocks = made.jacobian({**inputs, "y": torch.zeros(0, dtype=F64)})
    assert outputs["x"].shape == (0,)
    expected = made.jacobian({**inputs, "y": torch.zeros((), dtype=F64)})[1]
    x = made.forward({**inputs, "y": torch.zeros((), dtype=F64)})["x"]
    assert torch.equal(blocks["x"]["x~1"], expected["x"]["x~1"])
    torch.testing.assert_close(blocks["x"]["x~1"], 1 / (1 + 3 * x**2), rtol=1e-9, atol=0)

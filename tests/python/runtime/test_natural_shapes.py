# SPDX-License-Identifier: MIT
"""Batch axes of stored results: eager and compiled models give outputs the same, whatever has axes and whatever moves.

The unknowns of an implicit update share the axes of all their first guesses, and of all that is given to it unless
these guesses solve it at every point.
"""

from pathlib import Path

import pytest
import torch
from implicit_cases import CHABOCHE, F64, ISOHARDEN, RADRET

import neml2
from input_texts import decay, viscoplasticity, viscoplasticity_in_rates
from neml2.hit import load_string

POINTS = 5
LAWS = {
    "decay": (decay(), "update"),
    "viscoplasticity": (viscoplasticity(50, 200, 3), "model"),
    "hardening": (viscoplasticity(50, 200, 3, 2000), "model"),
    "rates": (viscoplasticity_in_rates(50, 200, 3, 2000), "update"),
    "isoharden": (ISOHARDEN, "model"),
    "chaboche2": (CHABOCHE, "model"),
    "radret": (RADRET, "model"),
}


def state(spec, batched, moving):
    """Zeros (positive times) with a batch axis for some names; `moving`: names with values, at the last point."""
    found = {}
    for name, type_ in spec.items():
        value = torch.zeros((*([POINTS] if name in batched else []), *type_.BASE_SHAPE), dtype=F64)
        if name == "t":
            value += 1.0
        if name in moving:
            at = value[-1] if name in batched else value
            at += 1e-4 * torch.arange(1, at.numel() + 1, dtype=F64).reshape(at.shape)
        found[name] = type_(value)
    return found


def check(text, name, stub, single=True):
    """single: also with an axis for one old value alone."""
    eager, compiled = load_string(text).get_model(name), neml2.load_input(stub).get_model(name)
    spec = eager.input_spec
    old = [given for given in spec if given.endswith("~1") and given != "t~1"]
    forces = [given for given in spec if "~" not in given]
    some = [*([given] for given in old), *([given, "t"] for given in old)] if single else []
    for batched in ([], forces, list(spec), ["t"], *some):
        for moving in ([], ["strain"], old):
            given = state(spec, batched, moving)
            with torch.no_grad():
                expected = eager.evaluate(given)
            found = compiled.evaluate(given)
            for out, value in expected.items():
                assert found[out].data.shape == value.data.shape, (out, batched, moving)
                torch.testing.assert_close(found[out].data, value.data, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("law", LAWS)
def test_native_is_eager(compiled, law):
    text, name = LAWS[law]
    # The return of radret runs along a gradient that is constant: eager, it has the axes of where it was taken.
    check(text, name, compiled(text, name, "--backend", "native"), single=law != "radret")


def test_aoti_is_eager(compiled):
    text, name = LAWS["hardening"]
    check(text, name, compiled(text, name))


POROUS = (Path(__file__).parent / "gurson.i").read_text()
POROSITY = "[Tensors]\n[porosity]\ntype = Python\nexpr = 'Scalar(torch.linspace(0.01, 0.03, 20).double())'\n[]\n[]\n"


@pytest.mark.parametrize("text", [POROUS, POROUS.replace("'0.01'", "porosity") + POROSITY], ids=["one", "each"])
def test_a_driver_stores_the_same_shapes(compiled, text):
    """A Gurson law whose first step is solved by its guess; the void fraction has an axis of its own, or none."""
    stub = neml2.load_input(compiled(text, "model", "--backend", "native"))
    expected, found = load_string(text).get_driver("driver").run(eager=True), stub.get_driver("driver").run()
    assert expected["input.2.plastic_strain~1"].abs().max() == 0 and expected["output.8.plastic_strain"].abs().max() > 0
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        torch.testing.assert_close(found[name], value, rtol=1e-8, atol=1e-12)


def test_one_guess_with_an_axis_gives_it_to_all_unknowns():
    """Without a step, in closed form: the plastic strain has no axis of its own."""
    text, name = LAWS["hardening"]
    spec = load_string(text).get_model(name).input_spec
    for batched, shape in (([], (6,)), (["strain"], (6,)), (["equivalent_plastic_strain~1"], (POINTS, 6))):
        with torch.no_grad():
            found = load_string(text).get_model("update").evaluate(state(spec, batched, []))
        assert found["plastic_strain"].data.shape == shape

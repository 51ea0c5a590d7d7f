# SPDX-License-Identifier: MIT
"""Batch axes of stored results: eager and compiled models give outputs the same, whatever has axes and whatever moves.

The unknowns of an implicit update share the axes of all their first guesses, and of all that is given to it unless
these guesses solve it at every point.
"""

import pytest
import torch
from implicit_cases import CASES
from laws import LAWS

import neml2
from neml2.hit import load_string

POINTS = 3


SLOW = ("chaboche6", "crystal")
"""Every fifth case of these, eager, takes as long as all of another."""


def check(law, stub, every=1):
    """Nothing, everything, all forces, or one input has an axis; nothing moves, or forces, or the old state, or all."""
    eager, compiled = law.eager(), neml2.load_input(stub).get_model(law.model)
    spec = list(eager.input_spec)
    forces, old = [given for given in spec if "~" not in given], [given for given in spec if "~" in given]
    cases = [(batched, moving) for batched in ([], forces, spec) for moving in ([], forces, old, spec)]
    cases += [([given], moving) for given in spec for moving in ([], spec)]
    for batched, moving in cases[::every]:
        given = law.state(eager.input_spec, POINTS, batched, moving)
        with torch.no_grad():
            expected = eager.evaluate(given)
        found = compiled.evaluate(given)
        for out, value in expected.items():
            assert found[out].data.shape == value.data.shape, (out, batched, moving)
            torch.testing.assert_close(found[out].data, value.data, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LAWS)
def test_native_is_eager(compiled, name):
    """radret: the gradient of a linear function is constant, and has the axes of where it was taken."""
    check(LAWS[name], LAWS[name].stub(compiled), every=5 if name in SLOW else 1)


def test_aoti_is_eager(compiled):
    law = LAWS["radret"]
    check(law, compiled(law.text, law.model, *CASES["radret"][1]))


POROUS = LAWS["gurson"].text
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
    law = LAWS["hardening"]
    update = load_string(law.text).get_model("update")
    for batched, shape in (([], (6,)), (["strain"], (6,)), (["equivalent_plastic_strain~1"], (POINTS, 6))):
        with torch.no_grad():
            found = update.evaluate(law.state(update.input_spec, POINTS, batched, []))
        assert found["plastic_strain"].data.shape == shape

# SPDX-License-Identifier: MIT
"""Inputs that nothing drives are named, with what may have been meant."""

import warnings

import pytest
from driver_inputs import DECAY

from neml2.errors import SuspiciousReference
from neml2.hit import load_string


def said(text, name="driver", *overrides):
    """The warnings of a driver."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_string(text, additional_args=overrides).get_driver(name)
    return [str(w.message) for w in caught if w.category is SuspiciousReference and "driven" in str(w.message)]


def test_histories_times_and_guesses_are_known():
    assert said(DECAY) == []
    started_from_zero = DECAY.replace("unknowns_Scalar = 'x'", "").replace("predictor = 'predictor'", "")
    assert said(started_from_zero) == []


def test_what_is_always_zero_is_named_once():
    (text,) = said(DECAY, "histories")
    assert "[Drivers/histories]" in text and "input 'g' of 'sum' is driven by nothing" in text
    (text,) = said(DECAY, "histories", "Models/sum/from:='f f~1 h~1 h~2'")
    assert "input 'h'" in text
    given = ("Drivers/histories/ic_Scalar_names='g'", "Drivers/histories/ic_Scalar_values='5'")
    assert said(DECAY, "histories", *given) == []


@pytest.mark.parametrize(
    ("to", "hint"),
    [("x_rat", "did you mean 'x_rat'?"), ("XX", "'XX' is computed, but read by no model")],
)
def test_a_typo_inside_a_composition(to, hint):
    (text,) = said(DECAY, "driver", f"Models/rate/to:='{to}'")
    assert "input 'x_rate' of 'update'" in text and text.endswith(hint)


def test_a_name_near_a_driven_one():
    renamed = DECAY.replace("from = 'f f~1 f~2 g'", "from = 'force f~1 f~2 forc'").replace("'f'", "'force'")
    (_, text) = said(renamed, "histories")
    assert "input 'forc' of" in text and text.endswith("did you mean 'force'?")

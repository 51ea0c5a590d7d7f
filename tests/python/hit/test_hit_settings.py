# SPDX-License-Identifier: MIT
"""[Settings]: declared batch shapes."""

from __future__ import annotations

import pytest

from neml2.errors import SuspiciousReference
from neml2.hit import base_name, lag, load_string
from neml2.hit.settings import BatchShape, parse_batch_shape


def settings(text: str):
    return load_string(f"[Settings]\n{text}\n[]\n", name="s.i").settings


@pytest.mark.parametrize(
    "text, shape",
    [
        ("(2, 3)", BatchShape((2, 3))),
        ("(2,)", BatchShape((2,))),
        ("()", BatchShape(())),
        ("(2; 12)", BatchShape((2,), (12,))),
        ("(2; )", BatchShape((2,), ())),
        ("(; 3, 4,)", BatchShape((), (3, 4))),
    ],
)
def test_batch_shape_grammar(text, shape):
    assert parse_batch_shape(text) == shape


@pytest.mark.parametrize("text", ["2", "2, 3", "(a)", "(2:x)", "(2; 3; 4)", "(-1)", "(1.5)", "(2,,3)"])
def test_bad_batch_shapes(text):
    with pytest.raises(ValueError):
        parse_batch_shape(text)


def test_one_declaration_for_all():
    s = settings("example_batch_shape = '(4; 2)'")
    assert s.batch_shape("anything~1") == BatchShape((4,), (2,)) and s.sub_batch_shape("x") == (2,)
    assert load_string("").settings.batch_shape("x") is None


def test_look_up_order():
    s = settings("[example_batch_shape]\n a = '(2; 3)'\n b~1 = '(2; 4)'\n c = '(5)'\n[]")
    assert s.sub_batch_shape("a") == s.sub_batch_shape("a~1") == s.sub_batch_shape("a~2") == (3,)
    assert s.sub_batch_shape("b") == s.sub_batch_shape("b~2") == (4,)
    assert s.sub_batch_shape("c") is None and s.batch_shape("c").dynamic == (5,)
    assert s.batch_shape("d") is None


def test_lags_must_be_declared_alike():
    with pytest.raises(ValueError, match=r"s.i:4: .*'a~1' is declared unlike 'a'"):
        settings("[example_batch_shape]\n a = '(2; 3)'\n a~1 = '(2; 4)'\n[]")


def test_both_forms_together_are_an_error():
    with pytest.raises(ValueError, match=r"not both"):
        settings("example_batch_shape = '(2)'\n[example_batch_shape]\n a = '(2)'\n[]")


@pytest.mark.parametrize("word, value", [("true", True), ("on", True), ("'1'", True), ("no", False), ("OFF", False)])
def test_dynamic_batch(word, value):
    assert settings(f"dynamic_batch = {word}").dynamic_batch is value


def test_bad_dynamic_batch():
    with pytest.raises(ValueError, match=r"s.i:2: .*option 'dynamic_batch': 'maybe' is not one of"):
        settings("dynamic_batch = maybe")


def test_a_misspelt_setting_is_refused():
    with pytest.raises(ValueError, match=r"s.i:2: .*did you mean 'example_batch_shape'"):
        settings("exampel_batch_shape = '(2)'")


def test_a_setting_of_another_version_is_left_out_with_a_warning():
    with pytest.warns(SuspiciousReference, match=r"s.i:2: .*is ignored"):
        settings("interop_threads = 2")


def test_a_second_settings_block_is_refused():
    with pytest.raises(ValueError, match=r"s.i:4: .*defined twice; the first stands at s.i:1"):
        load_string("[Settings]\ndynamic_batch = true\n[]\n[Settings]\ndynamic_batch = false\n[]", name="s.i")


def test_lags():
    assert (base_name("x~2"), lag("x~2"), base_name("x"), lag("x"), base_name("a~b")) == (
        "x",
        2,
        "x",
        0,
        "a~b",
    )

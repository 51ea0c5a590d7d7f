# SPDX-License-Identifier: MIT
"""The text of metadata: a hash of itself, and words for numbers that JSON lacks."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from neml2.compiler.package.seal import sealed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
def test_the_hash_is_that_of_the_text_with_zeros_in_its_place(content):
    text = sealed(content)
    said = json.loads(text, parse_constant=lambda name: 1 / 0)["sha256"]
    assert text.startswith(f'{{\n "sha256": "{said}"')
    assert hashlib.sha256(text.replace(said, "0" * 64, 1).encode()).hexdigest() == said
    assert sealed(json.loads(text)) == text


def test_numbers_that_json_lacks_are_words():
    content = json.loads(sealed({"value": [float("inf"), -float("inf"), float("nan"), 1.5], "deep": {"x": (1e999,)}}))
    assert content["value"] == ["inf", "-inf", "nan", 1.5] and content["deep"] == {"x": ["inf"]}

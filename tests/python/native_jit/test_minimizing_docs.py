# SPDX-License-Identifier: MIT
"""docs/minimizing.md: its snippets run, in the order of the page."""

from __future__ import annotations

import pytest

from neml2.native import piqp
from pages import run_page


def test_the_page_runs(tmp_path, monkeypatch, capfd):
    try:
        piqp.find()
    except piqp.MissingPIQP as error:
        pytest.skip(str(error))
    languages = run_page("minimizing.md", tmp_path, monkeypatch)
    assert languages.count("python") == 3 and {"sh", "cpp"} <= set(languages)
    assert "0.000 1.000 0.500" in capfd.readouterr().out

# SPDX-License-Identifier: MIT
"""docs/calibration.md: its snippets run, in the order of the page."""

from __future__ import annotations

import pytest

from pages import run_page

pytest.importorskip("piqp")


def test_the_page_runs(tmp_path, monkeypatch, capfd):
    languages = run_page("calibration.md", tmp_path, monkeypatch)
    assert {"ini", "csv", "sh", "python"} <= set(languages)
    printed = capfd.readouterr().out
    assert "fitted model: steel_fitted.i" in printed and "of 8 starts came to this minimum" in printed
    assert "reference_stress = 100 # drag" in (tmp_path / "steel_fitted.i").read_text()

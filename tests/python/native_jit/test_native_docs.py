# SPDX-License-Identifier: MIT
"""docs/native.md: its snippets run, in the order of the page."""

from __future__ import annotations

from pages import run_page


def test_the_page_runs(tmp_path, monkeypatch, capfd):
    languages = run_page("native.md", tmp_path, monkeypatch)
    assert languages.count("python") >= 5 and {"ini", "sh", "cpp"} <= set(languages)
    printed = capfd.readouterr().out
    assert "200\n2 after" in printed and "von_mises(stress[6]) -> size" in printed

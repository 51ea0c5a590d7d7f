# SPDX-License-Identifier: MIT
"""docs/gradients.md: its snippets run, in the order of the page, and print what is true."""

from __future__ import annotations

import torch

from pages import run_page


def test_the_page_runs(tmp_path, monkeypatch, capfd):
    before = torch.get_default_dtype()
    try:
        languages = run_page("gradients.md", tmp_path, monkeypatch)
    finally:
        torch.set_default_dtype(before)
    assert languages.count("python") >= 4 and {"ini", "sh"} <= set(languages)
    printed = capfd.readouterr().out
    assert "tensor([0.5000, 0.5000, 0.5000])" in printed  # 1 / (1 + 2 dt)
    assert "tensor(0.7500)" in printed  # sum of x dt / (1 + 2 dt)^2
    assert "tensor([0.5000, 1.0000, 1.5000]) tensor(1.7500)" in printed  # x / 2, sum of x^2 dt / 4

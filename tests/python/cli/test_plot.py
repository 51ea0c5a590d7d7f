# SPDX-License-Identifier: MIT
"""Pictures: what is drawn, how it is called, and what is refused before a run."""

import numpy as np
import pytest

from input_texts import ELASTICITY
from neml2.cli import _plot
from neml2.cli._common import UsageError
from neml2.hit import load_string
from support import run_tool

matplotlib = pytest.importorskip("matplotlib")

TEXT = (
    ELASTICITY
    + """
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 1, 5, dtype=torch.float64))'
  []
  [strains]
    type = Python
    expr = 'SR2(0.01 * times.data[:, None] * SR2.fill(1.0, 0.0, 0.0, 0.0, 0.0, 0.5, dtype=torch.float64).data)'
  []
  [halves]
    type = Python
    expr = 'SR2(strains.data / 2)'
  []
[]
[Drivers]
  [full]
    type = TransientDriver
    model = 'elasticity'
    prescribed_time = 'times'
    prescribed_SR2_names = 'strain'
    prescribed_SR2_values = 'strains'
  []
  [half]
    type = TransientDriver
    model = 'elasticity'
    prescribed_time = 'times'
    prescribed_SR2_names = 'strain'
    prescribed_SR2_values = 'halves'
  []
[]
"""
)
SHEAR = 200e3 / 2.6


def ran(name="full", text=TEXT):
    driver = load_string(text).get_driver(name)
    driver.run()
    return driver


def panel(x, y, *runs, units=None):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    _plot._panel(axes, runs, x, y, units or {})
    return axes


def test_from_the_origin_with_tensor_components_and_units():
    axes = panel("strain.xy", "stress.xy", _plot.curves("full", ran()), units={"stress": "MPa", "strain.xy": "-"})
    (line,) = axes.get_lines()
    assert line.get_xydata()[0].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(line.get_xydata()[-1], [0.005, 2 * SHEAR * 0.005], rtol=1e-12)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("strain.xy [-]", "stress.xy [MPa]")


def test_equal_curves_are_one_with_both_names():
    axes = panel("time", "stress", _plot.curves("full", ran()))
    assert [line.get_label() for line in axes.get_lines()] == ["xx", "yy, zz", "xy"]


def test_several_runs_and_a_table_in_one_panel(tmp_path):
    (tmp_path / "test.csv").write_text("time,strain.xx,stress.xx\n0,0,0\n1,0.01,2500\n# measured\n")
    runs = [_plot.curves(name, ran(name)) for name in ("full", "half")]
    lines = panel("strain.xx", "stress.xx", *runs, _plot.table(tmp_path / "test.csv")).get_lines()
    assert [line.get_label() for line in lines] == ["full", "half", "test"]
    assert len({line.get_color() for line in lines}) == 3
    assert lines[1].get_xdata()[-1] == pytest.approx(lines[0].get_xdata()[-1] / 2)


def test_a_saved_history_is_a_table(tmp_path):
    driver = ran()
    driver.save(tmp_path / "full.csv")
    found, expected = _plot.table(tmp_path / "full.csv").columns, driver.results.columns()
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_panels_that_nobody_asked_for():
    driver = ran()
    found = _plot.default_pairs(driver, _plot.curves("full", driver))
    assert found == [("strain.xx", "stress.xx"), ("time", "strain"), ("time", "stress")]
    still = ran(text=TEXT.replace("0.01 * times.data[:, None]", "0.01 + 0.0 * times.data[:, None]"))
    assert _plot.default_pairs(still, _plot.curves("full", still)) == [("time", "stress")]


def test_legends_say_what_colours_and_styles_mean():
    runs = [_plot.curves(name, ran()) for name in ("one", "two", "three", "four")]
    axes = panel("time", "stress", *runs)
    assert [line.get_label() for line in axes.get_lines()][:2] == ["one, xx", "one, yy, zz"]
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["xx", "yy, zz", "xy", "one", "two", "three", "four"]
    assert legend.get_bbox_to_anchor().x0 >= axes.bbox.x1, "a long one stands beside the panel"


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("strain.xx", "no pair"),
        ("strain.xx:stress.zx", "no component 'zx'"),
        ("strain.xx:strss", "did you mean 'stress'"),
    ],
)
def test_axes_are_checked_before_the_run(axis, words):
    driver = load_string(TEXT).get_driver("full")
    with pytest.raises(UsageError, match=words):
        _plot.pairs([axis], driver.results)


def test_the_format_is_checked_before_the_run(tmp_path):
    with pytest.raises(UsageError, match=r"pictures end in one of .*\.png"):
        _plot.check_format(tmp_path / "out.xyz")


def test_the_command(tmp_path):
    (tmp_path / "input.i").write_text(TEXT)
    options = ("--plot", "out.png", "--axes", "strain.xx:stress.xx", "--unit", "stress=MPa")
    done = run_tool("run", "input.i", "full", "half", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "full: done" in done.stdout and "half: done" in done.stdout and "picture: out.png" in done.stdout
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    done = run_tool("run", "input.i", "full", "--plot", "out.png", "--axes", "strain.xx:strss", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and "step" not in done.stderr, "it is said before the run"

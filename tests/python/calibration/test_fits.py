# SPDX-License-Identifier: MIT
"""Fits of input files: the parameters that made the data are found, files are written, commands answer."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from fits import DECAY, DT, FIT, START, W, exact, fit_in

from neml2.calibration import Experiment, FitParameter, LeastSquares
from neml2.calibration.fitted import NoPlace
from neml2.errors import InputError
from neml2.hit import load_input, load_string
from support import ROOT, run_tool

pytest.importorskip("piqp")
EXAMPLES = ROOT / "examples" / "calibration"


def test_the_parameters_that_made_the_data_are_found(tmp_path):
    fit = fit_in(tmp_path).get("Calibration", "fit").run()
    np.testing.assert_allclose(fit.values, [W, 2.0], rtol=1e-6)
    assert fit.names == ["update.decay.rate.weight_0", "seen.weight_0"]
    assert fit.sum_of_squares < 1e-12 and fit.warnings == []
    np.testing.assert_allclose(fit.predictions["short"]["y"][1:], 2 * exact(12)[1:], rtol=1e-6)


def test_scipy_finds_the_same(tmp_path):
    pytest.importorskip("scipy")
    ours = fit_in(tmp_path, noise=0.01).get("Calibration", "fit").run()
    other = fit_in(tmp_path, "Calibration/fit/method:=scipy", noise=0.01).get("Calibration", "fit").run()
    np.testing.assert_allclose(ours.values, other.values, rtol=1e-4)
    np.testing.assert_allclose(ours.standard_errors, other.standard_errors, rtol=1e-3)


def test_standard_errors_are_those_of_repeated_tests(tmp_path):
    """Of 30 noisy samples most fits lie within two standard errors, and they spread as these say."""
    found = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        tables = {n: 2 * exact(n)[:, None] + 0.02 * random.standard_normal((n + 1, 1)) for n in (12, 30)}
        experiments = [
            Experiment(str(n), file={"time": DT * np.arange(n + 1.0), "y": y[:, 0]}, ic_Scalar_names=["x"],
                       ic_Scalar_values=[START])
            for n, y in tables.items()
        ]  # fmt: skip
        parameters = [FitParameter("w", parameter="rate.weight_0"), FitParameter("gain", parameter="seen.weight_0")]
        model = load_string(DECAY).get_model("model")
        fit = LeastSquares("fit", model=model, parameters=parameters, experiments=experiments).run()
        found.append((fit.values - [W, 2.0]) / fit.standard_errors)
    away = np.abs(np.array(found))
    assert (away < 3.5).all() and (away < 2).mean() > 0.8
    assert 0.7 < np.std(found) < 1.35


def test_random_starts_come_to_one_minimum_and_reproducibly(tmp_path):
    task = fit_in(tmp_path, "Calibration/fit/starts:=6", noise=0.05).get("Calibration", "fit")
    fit = task.run()
    assert fit.agreeing == 6
    np.testing.assert_array_equal(fit.values, task.run().values)


def test_with_little_memory_starts_go_one_after_the_other(tmp_path, monkeypatch):
    from neml2.calibration import residuals

    task = fit_in(tmp_path, "Calibration/fit/starts:=5", noise=0.05).get("Calibration", "fit")
    whole = task.run()
    monkeypatch.setattr(residuals, "MEMORY", 1)
    np.testing.assert_allclose(task.run().values, whole.values, rtol=1e-9)


def test_constraints_and_bounds_hold(tmp_path):
    fit = fit_in(tmp_path, "Calibration/fit/constraints:='gain + w >= 0.5'").get("Calibration", "fit").run()
    assert fit.values.sum() == pytest.approx(0.5, abs=1e-6)
    assert fit.correlations[0, 1] == pytest.approx(-1), "as one goes up the other goes down"
    fit = fit_in(tmp_path, "Calibration/gain/upper:=1.5").get("Calibration", "fit").run()
    assert fit.values[1] == 1.5 and fit.at_bound.tolist() == [False, True]
    assert np.isnan(fit.standard_errors[1]) and "at its bound 1.5" in fit.warnings[0]


def test_what_the_data_do_not_tell_is_said(tmp_path):
    """Of the gain and the offset of an instrument that shows nothing but x = 0, one is unknown."""
    text = FIT.replace("parameters = 'w gain'", "parameters = 'w gain offset'").replace(
        "[Calibration]\n", "[Calibration]\n  [offset]\n    type = FitParameter\n    parameter = 'rate.offset'\n  []\n"
    )
    nothing = text.replace("ic_Scalar_values = '3'", "ic_Scalar_values = '0'").replace("'w gain offset'", "'w gain'")
    fit = fit_in(tmp_path, text=nothing).get("Calibration", "fit").run()
    assert any("nothing that was measured depends on" in w or "flat direction" in w for w in fit.warnings)
    assert "unknown" in fit.report() or "at bound" in fit.report()


def test_a_model_that_converges_nowhere_says_where_it_stops(tmp_path):
    """x = x~1 + w x dt has no solution where w dt = 1."""
    text = FIT.replace("lower = -9\n    upper = -0.1", "lower = 9\n    upper = 11\n    initial = 10")
    with pytest.raises(RuntimeError, match=r"none of 1 starts.*w = 10.*'long', step 1 of 30: .*did not converge"):
        fit_in(tmp_path, text=text).get("Calibration", "fit").run()


def test_the_model_keeps_its_values_until_they_are_applied(tmp_path):
    task = fit_in(tmp_path).get("Calibration", "fit")
    fit = task.run()
    value = dict(task.model.named_parameters())["seen.weight_0"]
    assert value.item() == 1.0
    fit.apply()
    assert value.item() == pytest.approx(2.0)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_the_fitted_file_runs_and_is_the_old_one_otherwise(tmp_path):
    fit = fit_in(tmp_path).get("Calibration", "fit").run()
    path = fit.save(tmp_path / "fitted.i")
    assert re.search(r"weights = '(2|1\.99999\d*|2\.00000\d*)'  # the gain of the instrument\n", path.read_text())
    old, new = (p.read_text().splitlines() for p in (tmp_path / "fit.i", path))
    assert sum(a != b for a, b in zip(old, new, strict=True)) == 2
    again = load_input(path).get("Calibration", "fit")
    np.testing.assert_allclose(again.initial, fit.values, rtol=1e-7)


def test_values_that_stand_elsewhere_become_overrides(tmp_path):
    """In an included file, behind ${...}, or nowhere because they are defaults."""
    text = FIT.replace("weights = '1'  # the gain of the instrument", "")
    head, tail = text.split("[Calibration]\n")
    (tmp_path / "model.i").write_text(head)
    fit = fit_in(tmp_path, text=f"!include model.i\n[Calibration]\n{tail}").get("Calibration", "fit").run()
    path = fit.save(tmp_path / "fitted.i")
    assert "Models/rate/weights := '-2" in path.read_text()
    again = load_input(path).get("Calibration", "fit")
    np.testing.assert_allclose(again.initial, fit.values, rtol=1e-7)


def test_coefficients_are_found_in_the_order_of_the_file(tmp_path):
    from neml2.calibration.fitted import _place

    text = """
[Models]
  [e]
    type = LinearIsotropicElasticity
    coefficients = '0.3 2e5'
    coefficient_types = 'POISSONS_RATIO YOUNGS_MODULUS'
  []
[]
"""
    model = load_string(text).get_model("e")
    assert _place(model, "E")[1:] == ("coefficients", ["0.3", "2e5"], 1)
    assert _place(model, "nu")[3] == 0


def test_what_must_not_be_written_over_is_refused(tmp_path):
    fit = fit_in(tmp_path).get("Calibration", "fit").run()
    for name in ("fit.i", "short.csv"):
        with pytest.raises(OSError, match="is read by this input"):
            fit.save(tmp_path / name)
    fit.task.source = None
    with pytest.raises(NoPlace, match="in Python"):
        fit.save(tmp_path / "new.i")


# ---- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("Calibration/fit/parameters:='w gian'", "No .Calibration/gian. found; did you mean 'gain'"),
        ("Calibration/fit/parameters:='w short'", "is a Experiment; expected a FitParameter"),
        ("Calibration/fit/constraints:='w + gian <= 1'", "no parameter 'gian'; did you mean 'gain'"),
        ("Calibration/fit/method:=scypi", "did you mean 'scipy'"),
        ("Calibration/fit/start:=3", "has no option 'start'; did you mean 'starts'"),
        ("Calibration/w/initial:=-20", "outside its bounds"),
        ("Calibration/gain/parameter:=rate.weight_0", "fitted twice"),
    ],
)
def test_mistakes_are_answered(tmp_path, override, words):
    with pytest.raises(InputError, match=words):
        fit_in(tmp_path, override).get("Calibration", "fit")


def test_random_starts_need_bounds(tmp_path):
    text = FIT.replace("    lower = -9\n", "")
    with pytest.raises(InputError, match="'w' has not both of them"):
        fit_in(tmp_path, "Calibration/fit/starts:=2", text=text).get("Calibration", "fit")


def test_without_piqp_a_sentence_says_what_to_do(tmp_path, monkeypatch):
    import sys

    from neml2.calibration import quadratic

    quadratic._piqp.cache_clear()
    monkeypatch.setitem(sys.modules, "piqp", None)
    with pytest.raises(ImportError, match=r"pip install 'neml2\[calibration\]'.*method = 'scipy'"):
        fit_in(tmp_path).get("Calibration", "fit").run()
    quadratic._piqp.cache_clear()


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_reports_draws_and_writes(tmp_path):
    fit_in(tmp_path, noise=0.01)
    done = run_tool("calibrate", "fit.i", "--plot", "fit.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("std. error", "seen.weight_0", "correlations", "short y", "fitted model: fit_fitted.i"):
        assert words in done.stdout
    assert (tmp_path / "fit.png").stat().st_size > 5000 and (tmp_path / "fit_fitted.i").exists()
    done = run_tool("calibrate", "fit.i", "--json", "-o", "other.i", "Calibration/fit/starts:=2", cwd=tmp_path)
    content = json.loads(done.stdout)
    assert content["parameters"]["seen.weight_0"]["value"] == pytest.approx(2, rel=0.01)
    assert len(content["starts"]) == 2 and (tmp_path / "other.i").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fot"], "did you mean 'fit'"),
        (["w"], "is a FitParameter, no LeastSquares"),
        (["--plot", "x.nope"], "pictures end"),
    ],
)
def test_the_command_answers_mistakes(tmp_path, arguments, words):
    fit_in(tmp_path)
    done = run_tool("calibrate", "fit.i", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1


# ---- the examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["steel", "copper"])
def test_examples_find_what_made_their_data(name, monkeypatch):
    """Within three standard errors, from nearly all of 20 random starts; the noise is known."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import data

    task = load_input(EXAMPLES / f"{name}.i").get("Calibration", "fit")
    fit = task.run()
    truth = {"steel": data.STEEL, "copper": data.COPPER}[name]
    expected = np.array([truth[parameter.name] for parameter in task.fitted])
    assert (np.abs(fit.values - expected) < 3 * fit.standard_errors).all()
    assert fit.agreeing >= 18
    for value in fit.rms().values():
        assert value == pytest.approx(data.NOISE[f"{name}.i"], rel=0.25)


def test_a_network_learns_the_hardening():
    """R (1 - exp(-d e)), as far as the tests went, and stresses within their noise."""
    from neml2.hit import load_extension

    load_extension(EXAMPLES / "network.py")
    task = load_input(EXAMPLES / "network.i", additional_args=["Calibration/network_fit/starts:=1"])
    fit = task.get("Calibration", "network_fit").run()
    assert max(fit.rms().values()) < 1.1 * 2.0
    weights, slopes = fit.values[:3], fit.values[3:]
    e = np.linspace(0, 0.08, 30)
    hardening = np.tanh(e[:, None] * slopes) @ weights
    np.testing.assert_allclose(hardening, 80 * (1 - np.exp(-8 * e)), atol=2.0)
    assert any("flat direction" in text for text in fit.warnings)

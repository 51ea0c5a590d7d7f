# SPDX-License-Identifier: MIT
"""Histories as arrays, frames and files: components of tensors, by name, from the initial state on."""

import csv

import numpy as np
import pytest
import torch
from driver_inputs import DECAY

from input_texts import ELASTICITY, POISSONS_RATIO, YOUNGS_MODULUS, viscoplasticity
from neml2.drivers import storing
from neml2.errors import InvalidOption
from neml2.hit import load_string

HISTORY = """
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 1, 5, dtype=torch.float64))'
  []
  [strains]
    type = Python
    expr = \'\'\'
      way = torch.linspace(0, 0.01, 5, dtype=torch.float64).reshape(5, 1)
      point = SR2.fill(1.0, 0.0, 0.0, 0.2, 0.3, 0.4, dtype=torch.float64).data
      result = SR2(torch.stack([way * point, way * point * 2], 1))
    \'\'\'
  []
[]
[Drivers]
  [driver]
    type = TransientDriver
    model = '{}'
    prescribed_time = 'times'
    prescribed_SR2_names = 'strain'
    prescribed_SR2_values = 'strains'
  []
[]
"""
SHEAR = 200e3 / 2.6


@pytest.fixture(scope="module")
def elastic():
    driver = load_string(ELASTICITY + HISTORY.format("elasticity")).get_driver("driver")
    driver.run()
    return driver


def test_components_are_those_of_tensors(elastic):
    results = elastic.results
    way = np.linspace(0, 0.01, 5)
    assert results["strain"].shape == (5, 2, 6) and results["time"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(results["strain.yz"], np.outer(way, [0.2, 0.4]), rtol=1e-14)
    np.testing.assert_allclose(results["stress.xy"], 2 * SHEAR * np.outer(way, [0.4, 0.8]), rtol=1e-13)
    mandel = results.array("stress.xy", mandel=True)
    np.testing.assert_allclose(mandel, results["stress.xy"] * 2**0.5, rtol=1e-14)
    assert results.components("stress") == ("xx", "yy", "zz", "yz", "xz", "xy")
    assert list(results) == ["time", "strain", "stress"]


def test_an_explicit_model_is_known_at_the_initial_step(elastic):
    assert not elastic.results["stress"][0].any()
    assert "output.0.stress" not in elastic.result()


def test_initial_states():
    """Zero for what has a history, what explicit parts make of it, and initial conditions where there are some."""
    text = viscoplasticity(50.0, 100.0, 2.0, 1000.0) + HISTORY.format("model")
    driver = load_string(text).get_driver("driver")
    driver.run(eager=True)
    results = driver.results
    for name in ("stress", "plastic_strain", "equivalent_plastic_strain"):
        assert not results[name][0].any(), name
    shear = YOUNGS_MODULUS / (2 + 2 * POISSONS_RATIO)
    elastic = results["strain.xy"] - results["plastic_strain.xy"]
    np.testing.assert_allclose(results["stress.xy"], 2 * shear * elastic, rtol=1e-10, atol=1e-9)

    decay = load_string(DECAY).get_driver("driver")
    decay.run()
    np.testing.assert_allclose(decay.results["x"], [1, 2, 4] / 1.2 ** np.arange(21)[:, None], rtol=1e-10)


def test_what_is_not_known_is_nan():
    """The rate of a step of no length."""
    rate = "[Models]\n[rates]\ntype = ScalarVariableRate\nvariable = 'f'\n[]\n[]\n"
    change = ("Drivers/histories/model:='rates'",)
    driver = load_string(DECAY + rate, additional_args=change).get_driver("histories")
    driver.run()
    found = driver.results["f_rate"]
    assert np.isnan(found[0]).all() and np.isfinite(found[1:]).all()


def test_names_that_are_none(elastic):
    with pytest.raises(KeyError, match=r"did you mean 'stress.xy'"):
        elastic.results["stres.xy"]
    with pytest.raises(KeyError, match="no component 'zx'; there are: xx"):
        elastic.results["stress.zx"]


def test_a_frame(elastic):
    pandas = pytest.importorskip("pandas")
    frame = elastic.results.frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame.index.names) == ["step", "point"]
    assert frame.loc[(4, 1), "stress.xy"] == pytest.approx(2 * SHEAR * 0.008)
    assert frame.loc[(2, 0), "time"] == 0.5 and len(frame) == 10


def test_a_frame_without_pandas(elastic, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        elastic.results.frame()


class TestFiles:
    def test_csv_has_a_row_a_step_and_point(self, elastic, tmp_path):
        elastic.save(tmp_path / "out.csv")
        with (tmp_path / "out.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 10 and list(rows[0])[:4] == ["step", "point", "time", "strain.xx"]
        last = rows[-1]
        assert (last["step"], last["point"]) == ("4", "1")
        assert float(last["stress.xy"]) == elastic.results["stress.xy"][4, 1]

    def test_npz(self, elastic, tmp_path):
        elastic.save(tmp_path / "out.npz")
        with np.load(tmp_path / "out.npz") as found:
            assert sorted(found) == ["strain", "stress", "time"]
            np.testing.assert_array_equal(found["stress"], elastic.results["stress"])

    def test_hdf5(self, elastic, tmp_path):
        h5py = pytest.importorskip("h5py")
        elastic.save(tmp_path / "out.h5")
        with h5py.File(tmp_path / "out.h5") as found:
            np.testing.assert_array_equal(found["stress"], elastic.results["stress"])
            assert list(found["stress"].attrs["components"]) == ["xx", "yy", "zz", "yz", "xz", "xy"]

    def test_hdf5_without_its_library(self, elastic, tmp_path, monkeypatch):
        monkeypatch.setattr(storing.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(InvalidOption, match="needs h5py: pip install h5py"):
            elastic.save(tmp_path / "out.h5")

    def test_an_ending_that_is_none(self, tmp_path):
        text = ELASTICITY + HISTORY.format("elasticity")
        driver = load_string(text, additional_args=[f"Drivers/driver/save_as={tmp_path}/out.cvs"]).get_driver("driver")
        with pytest.raises(InvalidOption, match=r"'.cvs', which is not written; end it in .pt, .pth, .npz, .csv"):
            driver.run()
        assert not driver.inputs, "it is said before the run"

    def test_why_a_run_stopped(self, elastic, tmp_path):
        driver = load_string(ELASTICITY + HISTORY.format("elasticity")).get_driver("driver")
        driver.run()
        driver.note = "stopped"
        driver.save(tmp_path / "out.csv")
        driver.save(tmp_path / "out.npz")
        assert (tmp_path / "out.csv").read_text().endswith("# stopped\n")
        with np.load(tmp_path / "out.npz") as found:
            assert str(found["note"]) == "stopped"


def test_sites_are_columns_of_their_own():
    declared = "\n[Settings]\n  [example_batch_shape]\n    x = '(2; 3)'\n  []\n[]\n"
    driver = load_string(DECAY + declared).get_driver("driver")
    driver.run(eager=True)
    columns = driver.results.columns()
    assert [name for name in columns if name != "time"] == ["x[0]", "x[1]", "x[2]"]
    assert columns["x[2]"].shape == (21, 1) and columns["x[2]"][0, 0] == 4
    assert torch.is_tensor(driver.result()["output.1.x"])

# SPDX-License-Identifier: MIT
"""Tables of experiments: what loads the model, what is compared, and mistakes that are answered by name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fits import DECAY

from input_texts import ELASTICITY
from neml2.calibration import Experiment, FitParameter
from neml2.drivers.tables import read_table
from neml2.errors import InputError
from neml2.hit import load_string

TABLE = {"time": [0.0, 1, 2], "strain.xx": [0.0, 1e-3, 3e-3], "strain.xy": [0.0, 2e-3, 1e-3], "stress.xy": [0.0, 9, 8]}


@pytest.fixture(scope="module")
def elasticity():
    return load_string(ELASTICITY).get_model("elasticity")


def test_columns_called_as_inputs_drive_and_those_called_as_outputs_are_compared(elasticity):
    experiment = Experiment("e", file=TABLE)
    strain = experiment.driver(elasticity).prescribed["strain"].data
    assert strain.shape == (3, 6)
    np.testing.assert_allclose(strain[1], [1e-3, 0, 0, 0, 0, 2e-3 * math.sqrt(2)])
    (target,) = experiment.targets(elasticity)
    assert (target.output, target.component, target.label) == ("stress", 5, "stress.xy")
    assert target.factor == pytest.approx(math.sqrt(0.5))


def test_inputs_are_driven_by_columns_and_numbers_of_other_names(elasticity):
    experiment = Experiment(
        "e", file={"time": [0.0, 2], "gauge": [0.0, 1]}, drive=["strain.yy=gauge", "strain.zz=-0.5"],
        compare=["stress.yy=gauge"], substeps=4,
    )  # fmt: skip
    driver = experiment.driver(elasticity)
    np.testing.assert_allclose(driver.prescribed_time.data, [0, 0.5, 1, 1.5, 2])
    np.testing.assert_allclose(driver.prescribed["strain"].data[:, :3], [[0, g, -0.5] for g in (0, 0.25, 0.5, 0.75, 1)])
    assert experiment.step_of(1) == 4
    assert experiment.targets(elasticity)[0].label == "stress.yy"


def test_empty_cells_were_not_measured(tmp_path, elasticity):
    path = tmp_path / "t.csv"
    path.write_text("# a note\ntime, strain.xx ,stress.xx\n0,0,0\n1,1e-3,\n2,2e-3,5\n")
    target = Experiment("e", file=path).targets(elasticity)[0]
    assert np.isnan(target.values[1]) and target.values[2] == 5
    path.write_text("time,strain.xx,stress.xx\n0,0,0\n1,,1\n")
    with pytest.raises(InputError, match=r"'strain.xx' has no number in row 1"):
        Experiment("e", file=path).driver(elasticity)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": "tme"}, "no column 'tme'; did you mean 'time'"),
        ({"drive": ["strian.xx=strain.xx"]}, "no input of the model; did you mean 'strain.xx'"),
        ({"drive": ["strain.xx=strian.xx"]}, "no column 'strian.xx'; did you mean 'strain.xx'"),
        ({"drive": ["strain=strain.xx"]}, "expected one of strain.xx"),
        ({"drive": ["strain.xx"]}, "no INPUT=COLUMN"),
        ({"compare": ["stres.xy"]}, "no column 'stres.xy'; did you mean 'stress.xy'"),
        ({"compare": ["stres.xy=stress.xy"]}, "no output of the model; did you mean 'stress.xy'"),
        ({"compare": ["stress.ab=stress.xy"]}, "expected one of stress.xx"),
        ({"noise": [1.0, 2.0]}, "2 numbers for 1"),
        ({"file": {"time": [0.0, 1], "strain.xx": [0.0, 1]}}, "nothing is compared"),
        ({"file": {"time": [0.0], "strain.xx": [0.0]}}, "the table has 1 rows"),
        ({"file": {"time": [0.0, 1], "strain.xx": [0.0]}}, "expected one axis"),
        ({"file": "nowhere.csv"}, "No such file"),
        ({"file": {**TABLE, "time": [0.0, 2, 1]}}, "goes back"),
    ],
)
def test_mistakes_are_answered(elasticity, options, words):
    with pytest.raises(InputError, match=words):
        experiment = Experiment("e", **{"file": TABLE, **options})
        experiment.driver(elasticity)
        experiment.targets(elasticity)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("a,b\n1\n", "line 2 has 1 cells under 2 names"),
        ("a,b\n1,x\n", "line 2: 'x' under 'b' is no number"),
        ("a,point\n1,0\n1,1\n2,0\n", "3 rows do not go with 2 points"),
    ],
)
def test_tables_that_are_none_say_why(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lower": 2.0, "upper": 1.0}, "leave no room"),
        ({"lower": 0.0, "transform": "log"}, "no logarithm"),
        ({"upper": 1.0, "initial": 2.0}, "outside its bounds"),
        ({"transform": "logarithm"}, "'logarithm' is not one of linear, log"),
        ({"parameter": "rate.weigth_0"}, "no parameter of the model; did you mean 'rate.weight_0'"),
        ({"parameter": "weight_0"}, "can be any of update.decay.rate.weight_0, seen.weight_0"),
    ],
)
def test_mistakes_about_parameters_are_answered(options, words):
    model = load_string(DECAY).get_model("model")
    with pytest.raises(InputError, match=words):
        FitParameter("p", **options).qualified(dict(model.named_parameters()))

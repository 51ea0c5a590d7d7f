# SPDX-License-Identifier: MIT
"""Histories with derivatives by parameters: closed forms, finite differences, and sets that fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fits import DECAY, DT, START, W, exact, slope

from neml2.calibration import Experiment
from neml2.calibration.history import Histories
from neml2.hit import load_input, load_string
from support import ROOT

STEEL = ROOT / "examples" / "calibration" / "steel.i"


def decays(*lengths: int) -> list[Experiment]:
    return [
        Experiment(str(n), file={"time": DT * np.arange(n + 1.0)}, ic_Scalar_names=["x"], ic_Scalar_values=[START + k])
        for k, n in enumerate(lengths)
    ]


@pytest.fixture(scope="module")
def decay_model():
    return load_string(DECAY).get_model("model")


def test_values_and_slopes_are_those_of_the_closed_form(decay_model):
    """Experiments of several lengths, parameters that differ from set to set, outputs that are no state."""
    lengths = (3, 8, 5)
    names = ["update.decay.rate.weight_0", "seen.weight_0"]
    histories = Histories([e.driver(decay_model) for e in decays(*lengths)], names, ["y"])
    histories.read([(k, step, out, 0, 1.0) for k, n in enumerate(lengths) for out in "xy" for step in range(1, n + 1)])
    sets = torch.tensor([[W, 2.0], [-0.5, 1.0], [-7.0, 0.3]], dtype=torch.float64)
    found, slopes, whole = histories.run(sets)
    assert whole.all()
    for s, (w, gain) in enumerate(sets.tolist()):
        x = [exact(n, w, START + k)[1:] for k, n in enumerate(lengths)]
        dx = [slope(n, w, START + k)[1:] for k, n in enumerate(lengths)]
        values = np.concatenate([v for part in x for v in (part, gain * part)])
        by_w = np.concatenate([v for part in dx for v in (part, gain * part)])
        by_gain = np.concatenate([v for part in x for v in (0 * part, part)])
        np.testing.assert_allclose(found[s], values, rtol=1e-12)
        np.testing.assert_allclose(slopes[s, :, 0], by_w, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(slopes[s, :, 1], by_gain, rtol=1e-12, atol=1e-14)


def test_older_values_count():
    """x = a x~1 + b x~2, the Fibonacci numbers for a = b = 1; its slopes by the same recurrence."""
    text = """
[Models]
  [model]
    type = ScalarLinearCombination
    from = 'x~1 x~2'
    to = 'x'
    weights = '1 1'
  []
[]
"""
    model = load_string(text).get_model("model")
    experiment = Experiment("e", file={"time": np.arange(9.0)}, ic_Scalar_names=["x"], ic_Scalar_values=[1.0])
    histories = Histories([experiment.driver(model)], ["weight_0", "weight_1"])
    histories.read([(0, step, "x", 0, 1.0) for step in range(1, 9)])
    found, slopes, _ = histories.run(torch.tensor([[1.0, 1.0]], dtype=torch.float64))
    assert found[0].tolist() == [1, 2, 3, 5, 8, 13, 21, 34]
    x, da, db = [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]
    for _ in range(8):
        da.append(x[-1] + da[-1] + da[-2])
        db.append(x[-2] + db[-1] + db[-2])
        x.append(x[-1] + x[-2])
    np.testing.assert_allclose(slopes[0], np.stack([da[2:], db[2:]], -1), rtol=1e-13)


@pytest.fixture(scope="module")
def steel():
    source = load_input(STEEL)
    model = source.get_model("model")
    task = source.get("Calibration", "fit")
    return model, task.experiments[:2], task.names


def read(model, experiments, names):
    histories = Histories([e.driver(model) for e in experiments], names, ["stress", "strain"])
    steps = [range(1, 1 + 30), range(1, 1 + 100, 9)]
    histories.read([(k, s, "stress", 0, 1.0) for k in (0, 1) for s in steps[k]] + [(1, 9, "strain", 1, 1.0)])
    return histories


def test_slopes_of_a_cyclic_test_are_those_of_finite_differences(steel):
    model, experiments, names = steel
    histories = read(model, experiments, names)
    at = torch.tensor([100.0, 80, 8, 150, 4e4, 500, 4e3, 25], dtype=torch.float64)
    step = 1e-5 * at
    sets = torch.stack([at, *(at + torch.diag(step)), *(at - torch.diag(step))])
    found, slopes, whole = histories.run(sets)
    assert whole.all()
    central = (found[1:9] - found[9:]) / (2 * step[:, None])
    scale = slopes[0].abs().amax(0)
    assert ((slopes[0] - central.T).abs() / scale).max() < 1e-6


def test_values_are_those_of_the_driver(steel):
    model, experiments, names = steel
    parameters = dict(model.named_parameters())
    at = torch.tensor([[parameters[name].item() for name in names]], dtype=torch.float64)
    found, _, _ = read(model, experiments, names).run(at)
    for k, part in ((0, found[0, :30]), (1, found[0, 30:-1])):
        driver = experiments[k].driver(model)
        driver.run()
        stress = driver.results["stress.xx"].reshape(-1)
        np.testing.assert_allclose(part, stress[1:31] if k == 0 else stress[1:101:9], rtol=1e-7)
    np.testing.assert_allclose(found[0, -1], driver.results["strain.yy"].reshape(-1)[9], rtol=1e-7)


def test_a_stress_can_be_given_instead(steel):
    """Hooke's law below the yield stress, E = 2e5, nu = 0.3; tests under strain and under stress side by side."""
    model, experiments, names = steel
    axes = ("yy", "zz", "yz", "xz", "xy")
    drive = ["given.xx=load", "control.xx=1", *(f"control.{axis}=1" for axis in axes)]
    table = {"time": [0.0, 1, 2], "load": [0.0, 20, -30], "strain.xx": [0.0, 0, 0]}
    pulled = Experiment("pulled", file=table, drive=drive, compare=["strain.xx"])
    drivers = [experiments[0].driver(model), pulled.driver(model)]
    histories = Histories(drivers, names, ["stress", "strain"])
    histories.read([(1, step, "strain", c, 1.0) for step in (1, 2) for c in (0, 1)] + [(0, 1, "stress", 0, 1.0)])
    found, slopes, whole = histories.run(torch.tensor([[100.0, 80, 8, 150, 4e4, 500, 4e3, 25]], dtype=torch.float64))
    assert whole.all()
    np.testing.assert_allclose(found[0, :4], [1e-4, -3e-5, -1.5e-4, 4.5e-5], rtol=1e-9)
    assert found[0, 4] == pytest.approx(2e5 * 3e-4) and slopes[0, :4].abs().max() == 0


def test_a_set_that_fails_leaves_the_others_alone(steel):
    model, experiments, names = steel
    histories = read(model, experiments, names)
    at = torch.tensor([100.0, 80, 8, 150, 4e4, 500, 4e3, 25], dtype=torch.float64)
    alone, slopes_alone, _ = histories.run(at[None])
    wild = at.clone()
    wild[3] = torch.nan
    found, slopes, whole = histories.run(torch.stack([wild, at, wild]))
    assert whole.tolist() == [False, True, False]
    assert found[0].isnan().all()
    torch.testing.assert_close(found[1], alone[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(slopes[1], slopes_alone[0], rtol=1e-6, atol=1e-6)


def test_all_may_fail(steel):
    model, experiments, names = steel
    found, _, whole = read(model, experiments, names).run(torch.full((2, 8), torch.nan, dtype=torch.float64))
    assert not whole.any() and found.isnan().all()

# SPDX-License-Identifier: MIT
"""examples/surrogates: types of a user's own that hold data, eager, compiled and wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import neml2
from neml2.hit import load_extension, load_string
from support import ROOT, metadata, run_tool

EXAMPLE = ROOT / "examples" / "surrogates"
TEXT = (EXAMPLE / "surrogates.i").read_text()
NAMES = ("von_mises_stress", "temperature", "internal_state_1", "internal_state_2")


@pytest.fixture(autouse=True, scope="module")
def extension():
    load_extension(EXAMPLE / "surrogates.py")


def load(old: str = "", new: str = "", text: str = TEXT) -> neml2.hit.InputFile:
    assert old in text
    return load_string(text.replace(old, new))


def point(k: int) -> tuple[float, float, float, float]:
    rng = np.random.default_rng(k)
    return tuple(rng.uniform((0, 250, 0, 0), (350, 950, 1, 1)))


def polynomial(s: float, T: float, s1: float, s2: float, c: float) -> np.ndarray:
    """The rates, tile by tile."""
    A0 = np.array([[[1e-3, 2e-3, -1e-3], [2e-3, 1e-3, 0]], [[3e-3, 0, 1e-3], [4e-3, -1e-3, 2e-3]]])
    x = np.array([s, T, s1, s2])
    rest = np.array([1e-5, -2e-6, 1e-4, 3e-4]) @ x + np.array([2e-8, 1e-9, 3e-3, -1e-3]) @ x**2

    def weight(z, low, high):
        return 0.5 * (1 / (1 + np.exp(-c * (z - low))) - 1 / (1 + np.exp(-c * (z - high))))

    y = np.zeros(3)
    for i, stress in enumerate(((0, 100), (100, 300))):
        for j, temperature in enumerate(((300, 600), (600, 900))):
            y += weight(s, *stress) * weight(T, *temperature) * (A0[i, j] + rest)
    return y


def test_the_checks_of_its_input_file_pass() -> None:
    done = run_tool("run", "--load", "surrogates.py", "surrogates.i", "polynomial_check", cwd=EXAMPLE)
    assert done.returncode == 0, done.stderr
    source = load()
    for name in ("formula_check", "polynomial_check"):
        source.get_driver(name).run()


def test_the_formula_is_zero_up_to_its_threshold_and_cubic_above() -> None:
    model = load().get_model("formula")
    s = torch.tensor([500.0, 1000.0, 1010.0, 1020.0, 1040.0], dtype=torch.float64)
    rate = model(s, torch.full_like(s, 700.0)).data
    assert torch.equal(rate[:2], torch.zeros(2, dtype=torch.float64))
    np.testing.assert_allclose(rate[2:] / rate[2], [1, 8, 64], rtol=1e-12)
    expected = np.exp(-50000 / (8.3145 * 700)) * (np.exp(-0.1 / 0.003) + np.exp(-0.2 / 0.004))
    np.testing.assert_allclose(rate[2], expected, rtol=1e-12)


def test_the_polynomial_is_the_sum_over_its_tiles() -> None:
    model = load().get_model("polynomial")
    points = [point(k) for k in range(8)]
    rates = model(*(torch.tensor(column, dtype=torch.float64) for column in zip(*points, strict=True)))
    expected = [polynomial(*p, 0.1) for p in points]
    np.testing.assert_allclose(torch.stack([r.data for r in rates], -1), expected, rtol=1e-12)


def test_a_sharp_tile_counts_one_half_for_each_index() -> None:
    model = load("index_sharpness = 0.1", "index_sharpness = 1e3").get_model("polynomial")
    rates = [r.data.item() for r in model(200.0, 450.0, 0.0, 0.0)]
    alone = np.array([3e-3, 0, 1e-3]) + 1e-5 * 200 - 2e-6 * 450 + 2e-8 * 200**2 + 1e-9 * 450**2
    np.testing.assert_allclose(rates, alone / 4, rtol=1e-12)


def test_the_constants_are_buffers_of_the_model() -> None:
    model = load().get_model("polynomial")
    assert not list(model.parameters())
    assert {name: tuple(b.shape) for name, b in model.named_buffers() if name[0] == "A"} == {
        "A0": (2, 2, 3), "A1": (2, 2, 3, 4), "A2": (2, 2, 3, 4),
    }  # fmt: skip
    single = model.to(torch.float32)(*(torch.tensor(x, dtype=torch.float32) for x in point(1)))
    assert all(rate.dtype == torch.float32 for rate in single)
    np.testing.assert_allclose([r.data for r in single], polynomial(*point(1), 0.1), rtol=1e-4)


@pytest.mark.parametrize("same", ["Vec([300.0, 600.0, 0.0]).data[:2]", "Tensor([300.0, 600.0], base_ndim=1)"])
def test_a_constant_may_be_of_any_type(same: str) -> None:
    model = load("Scalar([300.0, 600.0])", same).get_model("polynomial")
    np.testing.assert_allclose([r.data for r in model(*point(2))], polynomial(*point(2), 0.1), rtol=1e-12)


def test_a_wrong_shape_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r":\d+: .* option 'A0': expected the shape \(2, 2, 3\), got \(2,\)"):
        load("A0 = 'A0'", "A0 = 'stress_to'").get_model("polynomial")


def test_compiled(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    flags = ("--model", "polynomial", "-d", ":", "--backend", "native", "--quiet")
    done = run_tool("compile", "--load", "surrogates.py", "surrogates.i", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    compiled, eager = neml2.aoti.Model(metadata(tmp_path / "aoti" / "polynomial_aoti.i")), load()
    values = dict(zip(NAMES, torch.tensor([point(k) for k in range(5)], dtype=torch.float64).T, strict=True))
    outputs, J = compiled.jacobian(values)
    expected, slopes = eager.get_model("polynomial").jacobian(values)
    for out, value in expected.items():
        np.testing.assert_allclose(outputs[out], value.data, rtol=1e-12)
        for name in NAMES:
            np.testing.assert_allclose(J[out][name], slopes[out][name], rtol=1e-10, atol=1e-18)

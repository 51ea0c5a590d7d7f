# SPDX-License-Identifier: MIT
"""Outputs that lie on inputs, parameters or one another, judged by address: in whatever buffer, by whoever's view."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from elasticity import DERIVATIVES, hooke
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_cases import CUBIC_DECAY, inner

import neml2
from input_texts import ELASTICITY
from neml2.aoti import ConvergenceError, FatalError, Model
from support import Compile

F64 = torch.float64
POINTS = 1000


@pytest.fixture(scope="module", params=["aoti", "native"])
def model(request: pytest.FixtureRequest, compiled: Compile) -> Model:
    stub = compiled(ELASTICITY, "elasticity", *DERIVATIVES, "--backend", request.param)
    return neml2.aoti.load_model(stub, "elasticity")


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=shape)


def close(actual: np.ndarray | torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(torch.tensor(np.asarray(actual)), expected, rtol=1e-12, atol=1e-9)


SHIFTS = {"the same": 0, "one point on": 6, "half a point on": 3, "one point back": -6}


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
@pytest.mark.parametrize("wrap", [lambda a: a, torch.from_numpy], ids=["views of NumPy", "tensors"])
def test_an_output_over_an_input(model: Model, shift: int, wrap: Callable) -> None:
    buffer = numbers(6 * POINTS + 20)
    strain, stress = (buffer[10 + s : 10 + s + 6 * POINTS].reshape(POINTS, 6) for s in (0, shift))
    before, expected = buffer.copy(), hooke(torch.tensor(strain))
    model.forward_into({"strain": wrap(strain)}, {"stress": wrap(stress)})
    close(stress, expected)
    assert np.array_equal(buffer[: 10 + shift], before[: 10 + shift])
    assert np.array_equal(buffer[10 + shift + 6 * POINTS :], before[10 + shift + 6 * POINTS :])


def test_every_result_over_every_argument(model: Model) -> None:
    """Tangents, blocks and parameters in one buffer with what is computed from them."""
    strain, tangent = numbers(2, POINTS, 6)
    expected, slope = hooke(torch.tensor(strain)), hooke(torch.tensor(tangent))
    buffer = np.stack([strain, tangent])
    model.jvp_into({"strain": buffer[0]}, {"strain": buffer[1]}, {"stress": buffer[1]}, {"stress": buffer[0]})
    close(buffer[1], expected)
    close(buffer[0], slope)

    blocks = np.zeros((POINTS, 6, 6))
    blocks[:, 0] = strain
    model.jacobian_into({"strain": blocks[:, 0]}, {}, {"stress": {"strain": blocks}})
    close(blocks, hooke(torch.eye(6, dtype=F64)).expand(POINTS, 6, 6))

    old = model.named_parameters()["E"]
    moduli = 200e3 + numbers(POINTS, 6)
    model.set_parameter("E", moduli[:, 2])
    try:
        strain, each = torch.tensor(strain), torch.tensor(moduli[:, 2:3])
        model.forward_into({"strain": strain}, {"stress": moduli})
        close(moduli, hooke(strain) / 200e3 * each)
    finally:
        model.set_parameter("E", old)


def test_records_may_be_interleaved(model: Model) -> None:
    """Fields of records, columns of a matrix and slices of either are read and written where they are."""
    records = np.zeros(
        POINTS, np.dtype([("strain", "f8", 6), ("time", "f8"), ("stress", "f8", 6), ("J", "f8", (6, 6))])
    )
    records["strain"] = numbers(POINTS, 6)
    records["time"] = 7
    expected, before = hooke(torch.tensor(records["strain"])), records["strain"].copy()
    blocks = {"stress": {"strain": records["J"]}}
    model.jacobian_into({"strain": records["strain"]}, {"stress": records["stress"]}, blocks)
    close(records["stress"], expected)
    close(records["J"], hooke(torch.eye(6, dtype=F64)).expand(POINTS, 6, 6))
    assert np.array_equal(records["strain"], before) and (records["time"] == 7).all()


def test_results_must_not_overlap(model: Model) -> None:
    strain = torch.tensor(numbers(POINTS, 6))
    buffer = torch.tensor(numbers(2 * POINTS, 6))
    before = buffer.clone()
    rows = buffer.numpy()
    pairs = {
        "the same": (buffer[:POINTS], buffer[:POINTS]),
        "shifted": (buffer[:POINTS], buffer[1 : POINTS + 1]),
        "another view": (buffer[:POINTS], rows[POINTS - 1 : -1]),
        "two strides": (buffer[::2], buffer[1 : POINTS + 1]),
    }
    for name, (first, second) in pairs.items():
        for call in (
            lambda a=first, b=second: model.jvp_into({"strain": strain}, {}, {"stress": a}, {"stress": b}),
            lambda a=first, b=second: model.jacobian_into({"strain": strain}, {"stress": a}, {"stress": {"E": b}}),
        ):
            with pytest.raises(FatalError, match=r"'stress.*' and .*'stress' overlap in memory"):
                call()
        assert torch.equal(buffer, before), name
    model.jvp_into({"strain": strain}, {"strain": strain}, {"stress": buffer[::2]}, {"stress": buffer[1::2]})
    close(buffer[::2], hooke(strain))
    close(buffer[1::2], hooke(strain))


@pytest.mark.parametrize(
    "strides",
    [(0, 1), (6, 0), (5, 1), (1, 1), (2, 3)],
    ids=["points at one place", "components at one place", "rows that overlap", "windows", "interwoven"],
)
def test_an_output_has_a_place_for_each_element(model: Model, strides: tuple[int, int]) -> None:
    stress = torch.zeros(60, dtype=F64).as_strided((5, 6), strides)
    with pytest.raises(FatalError, match="'stress' has several elements at one place"):
        model.forward_into({"strain": torch.ones(5, 6, dtype=F64)}, {"stress": stress})
    assert not stress.any()


def test_a_block_without_batch_axes_may_have_any_strides(model: Model) -> None:
    memory = torch.full((6, 12), 7.0, dtype=F64)
    for block in (memory[:, ::2], torch.zeros(6, 6, dtype=F64).T, memory[:, 1::2]):
        model.jacobian_into({"strain": torch.ones(5, 6, dtype=F64)}, {}, {"stress": {"strain": block}})
        close(block, hooke(torch.eye(6, dtype=F64)))
    assert torch.equal(memory[:, ::2], memory[:, 1::2])


# ---- what a failed call leaves -------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["aoti", "native"])
def decay(request: pytest.FixtureRequest, compiled: Compile) -> Model:
    """x' = -x^3, backward Euler: the new state x from the old one x~1."""
    return inner(compiled(CUBIC_DECAY, "model", "-d", "x:x~1", "--backend", request.param))


def step(points: int) -> dict[str, np.ndarray]:
    return {"x~1": 1 + numbers(points) ** 2, "t": np.ones(points), "t~1": np.zeros(points), "y": np.ones(points)}


def test_an_old_state_can_become_the_new_one(decay: Model) -> None:
    inputs = step(POINTS)
    new = decay.forward({k: v for k, v in inputs.items() if k in decay.input_names})["x"]
    given = {k: v for k, v in inputs.items() if k in decay.input_names}
    decay.forward_into(given, {"x": inputs["x~1"]})
    close(inputs["x~1"], new)


@pytest.mark.parametrize("bad", [0, POINTS // 2, POINTS - 1])
def test_where_the_call_fails_the_old_state_stays(decay: Model, bad: int) -> None:
    inputs = {k: v for k, v in step(POINTS).items() if k in decay.input_names}
    inputs["t"][bad] = np.nan
    before = {k: v.copy() for k, v in inputs.items()}
    blocks = np.zeros(POINTS)
    calls = (
        lambda: decay.forward_into(inputs, {"x": inputs["x~1"]}),
        lambda: decay.jvp_into(inputs, {"x~1": inputs["t~1"]}, {"x": inputs["x~1"]}, {"x": inputs["t~1"]}),
        lambda: decay.jacobian_into(inputs, {"x": inputs["x~1"]}, {"x": {"x~1": blocks}}),
    )
    for call in calls:
        with pytest.raises(ConvergenceError):
            call()
        for name, value in before.items():
            assert np.array_equal(inputs[name], value, equal_nan=True), name


# ---- any views of one buffer ---------------------------------------------------------------------------------------


@st.composite
def views(draw: st.DrawFn, points: int, size: int) -> tuple[int, int, int]:
    """Offset and strides of a view (points, 6) of a buffer without an element at two places."""
    across = draw(st.sampled_from([1, 1, 2, 3, points, points + 1]))
    along = draw(st.sampled_from([6 * across, 6 * across + 1, 13, 18])) if across < points else 1
    if along < 6 * across and across < points:
        along = 6 * across
    room = size - ((points - 1) * along + 5 * across) - 1
    return draw(st.integers(0, room)), along, across


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_two_views_of_a_buffer(model: Model, data: st.DataObject) -> None:
    points, size = data.draw(st.integers(1, 40)), 1500
    buffer = numbers(size)
    tensor = torch.from_numpy(buffer)
    shape = (points, 6)
    strain, stress = (
        tensor.as_strided(shape, (along, across), offset)
        for offset, along, across in (data.draw(views(points, size)) for _ in range(2))
    )
    marks = torch.zeros(size, dtype=torch.bool)
    marks.as_strided(shape, stress.stride(), stress.storage_offset()).fill_(True)
    before, expected = tensor.clone(), hooke(strain.clone())
    model.forward_into({"strain": strain}, {"stress": stress})
    close(stress.clone(), expected)
    assert torch.equal(tensor[~marks], before[~marks])

# SPDX-License-Identifier: MIT
"""What a host carries from step to step: histories of a viscoplastic block, cut steps, restart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from implicit_cases import CUBIC_DECAY, ISOHARDEN

from neml2.aoti import ConvergenceError, FatalError, History, Model
from support import Compile, metadata

POINTS = 5
F64 = torch.float64
DIRECTION = torch.tensor([1.0, -0.5, -0.5, 0.1, 0.0, 0.3], dtype=F64)


@pytest.fixture(scope="module")
def model(compiled: Compile) -> Model:
    return Model(metadata(compiled(ISOHARDEN, "model", "-d", "stress:strain", "--backend", "native")))


def strain_at(time: float) -> torch.Tensor:
    """Another amplitude at each point."""
    return time * torch.linspace(0.002, 0.02, POINTS, dtype=F64)[:, None] * DIRECTION


def advance(history: History, time: float) -> None:
    history.set("t", time)
    history.set("strain", strain_at(time))
    history.evaluate_with_tangents()


@pytest.fixture
def history(model: Model) -> History:
    return History(model, POINTS, [("stress", "strain")])


def by_hand(model: Model, times: list[float]) -> list[dict[str, torch.Tensor]]:
    """The same steps with nothing but the model."""
    state = {name: torch.zeros(POINTS, *shape, dtype=F64) for name, shape in model.output_base_shapes.items()}
    states, before = [], 0.0
    for time in times:
        given = {"t": torch.tensor(time, dtype=F64), "strain": strain_at(time)}
        given |= {"t~1": torch.tensor(before, dtype=F64), "strain~1": strain_at(before)}
        given |= {f"{name}~1": value for name, value in state.items()}
        state, before = model.forward({name: given[name] for name in model.input_names}), time
        states.append(state)
    return states


def test_pairs_come_from_the_names(model):
    pairs = {pair.old: pair for pair in model.history()}
    assert set(pairs) == {name for name in model.input_names if name.endswith("~1")}
    for pair in pairs.values():
        assert pair.current == pair.old[:-2] and pair.steps == 1
        assert pair.state == (pair.current in model.output_names)


def test_steps_are_those_made_by_hand(model, history):
    times = [0.1, 0.3, 0.4, 1.0]
    for time, expected in zip(times, by_hand(model, times), strict=True):
        advance(history, time)
        for name, value in expected.items():
            assert torch.equal(history.current(name), value)
        history.accept()
        assert torch.equal(history.old("strain"), strain_at(time))


def test_the_tangent_is_the_derivative_of_the_step(history):
    advance(history, 0.3)
    history.accept()
    advance(history, 0.5)
    tangent = history.tangent("stress", "strain").clone()
    h = 1e-7
    for column in range(6):
        ends = []
        for sign in (1, -1):
            history.current("strain").copy_(strain_at(0.5))[:, column] += sign * h
            history.evaluate()
            ends.append(history.current("stress").clone())
        torch.testing.assert_close(tangent[..., column], (ends[0] - ends[1]) / (2 * h), rtol=1e-5, atol=1e-2)


def test_arrays_are_exchanged_and_not_copied(history):
    advance(history, 0.1)
    new, old = history.current("stress").data_ptr(), history.old("stress").data_ptr()
    history.accept()
    assert (history.old("stress").data_ptr(), history.current("stress").data_ptr()) == (new, old)
    advance(history, 0.2)
    history.accept()
    assert history.old("stress").data_ptr() == old
    places = set()
    for k in range(6):
        history.set("t", 0.3 + 0.1 * k)
        history.fresh("strain").copy_(strain_at(0.3 + 0.1 * k))
        places.add(history.current("strain").data_ptr())
        history.evaluate()
        history.accept()
    assert len(places) == 2


def test_a_force_keeps_its_value_until_another_is_given(model, history):
    history.set("strain", strain_at(1.0))
    history.set("t", 1.0)
    history.evaluate()
    history.accept()
    assert torch.equal(history.current("strain"), strain_at(1.0))
    history.current("strain")[0, 0] += 1e-4  # in place, and the old one stays
    assert torch.equal(history.old("strain"), strain_at(1.0))
    history.revert()
    relaxed = []
    for time in (2.0, 3.0):
        history.set("t", time)
        history.evaluate()
        relaxed.append(history.current("stress")[:, 0].clone())
        history.accept()
    assert (relaxed[1] < relaxed[0]).all()  # held strain: stress relaxes
    assert torch.equal(history.old("strain"), strain_at(1.0))


def test_a_step_taken_back_leaves_no_trace(model, history):
    advance(history, 0.2)
    history.accept()
    kept = {name: history.old(name).clone() for name in (*history.state_names, *history.force_names)}
    advance(history, 5.0)
    history.revert()
    for name, value in kept.items():
        assert torch.equal(history.old(name), value)
        assert torch.equal(*torch.broadcast_tensors(history.current(name), value))
    with pytest.raises(FatalError, match="no step to accept"):
        history.accept()
    advance(history, 0.4)
    assert torch.equal(history.current("stress"), by_hand(model, [0.2, 0.4])[-1]["stress"])


def test_a_failed_evaluation_leaves_what_was_accepted(history):
    advance(history, 0.2)
    history.accept()
    kept = {name: history.old(name).clone() for name in history.state_names}
    history.set("t", 0.3)
    history.set("strain", strain_at(0.3))
    history.current("strain")[2] = torch.nan
    with pytest.raises(ConvergenceError) as caught:
        history.evaluate_with_tangents()
    assert [point.index for point in caught.value.points] == [2]
    assert all(torch.equal(history.old(name), value) for name, value in kept.items())
    with pytest.raises(FatalError, match="no step to accept"):
        history.accept()
    advance(history, 0.25)
    history.accept()


def test_arrays_of_the_caller(model, history):
    mine = {name: [np.zeros((POINTS, *shape)) for _ in range(2)] for name, shape in model.output_base_shapes.items()}
    for name, (now, old) in mine.items():
        history.use(name, now)
        history.use(name, old, 1)
    strains = [np.zeros((POINTS, 6)) for _ in range(2)]
    expected = by_hand(model, [0.1, 0.2, 0.3])
    for k, time in enumerate((0.1, 0.2, 0.3)):
        strains[k % 2][:] = strain_at(time)
        history.use("strain", strains[k % 2])
        history.set("t", time)
        history.evaluate()
        for name, arrays in mine.items():
            assert np.array_equal(arrays[k % 2], expected[k][name])
        history.accept()
    with pytest.raises(FatalError, match="holds the value of 1 steps ago"):
        history.use("strain", strains[0])
    with pytest.raises(FatalError, match=r"is \(5, 3\)|has shape \(5, 3\)"):
        history.use("strain", np.zeros((POINTS, 3)))


def test_start_values(model, history):
    history.start("equivalent_plastic_strain", 0.01)
    history.start("stress", DIRECTION)
    assert torch.equal(history.old("stress"), DIRECTION.expand(POINTS, 6))
    history.start("t", 7.0)
    history.set("t", 8.0)
    history.evaluate()
    zero = torch.zeros(POINTS, 6, dtype=F64)
    given = {"t": 8.0, "t~1": 7.0, "equivalent_plastic_strain~1": 0.01}
    inputs = {name: torch.tensor(given[name], dtype=F64) for name in given}
    inputs |= {"strain": zero, "strain~1": zero, "stress~1": DIRECTION}
    alone = model.forward({name: inputs[name] for name in model.input_names})
    assert torch.equal(history.current("stress"), alone["stress"].expand(POINTS, 6))


def test_a_guess_that_the_host_gives_is_the_old_state(compiled):
    text = CUBIC_DECAY.replace("    predictor = 'predictor'\n", "")
    model = Model(metadata(compiled(text, "model", "--backend", "native")))
    history = History(model, 3)
    history.start("x", 1.0)
    for step in range(1, 4):
        history.set("t", 0.5 * step)
        history.evaluate()
        x, old = history.current("x"), history.old("x")
        torch.testing.assert_close(x - old + 0.5 * x**3, torch.zeros(3, dtype=F64), atol=1e-8, rtol=0)
        history.accept()


FIBONACCI = """\
[Models]
  [model]
    type = ScalarLinearCombination
    from = 'x~1 x~2'
    to = 'x'
    weights = '1 1'
  []
[]
"""


def test_deeper_lags(compiled, tmp_path):
    model = Model(metadata(compiled(FIBONACCI, "model", "--backend", "native")))
    assert [(p.old, p.steps, p.state) for p in model.history()] == [("x~1", 1, True), ("x~2", 2, True)]
    history = History(model, 2)
    history.start("x", 1.0)
    for expected in (2, 3, 5, 8, 13):
        history.evaluate()
        assert history.current("x").tolist() == [expected] * 2
        history.accept()
    history.write(tmp_path / "h")
    other = History(model, 2)
    other.read(tmp_path / "h")
    other.evaluate()
    assert other.current("x").tolist() == [21, 21] and other.old("x", 2).tolist() == [8, 8]


def test_restart_goes_on_as_if_nothing_had_happened(model, history, tmp_path):
    for time in (0.1, 0.2):
        advance(history, time)
        history.accept()
    advance(history, 9.0)  # a step that is not accepted is not written
    history.write(tmp_path / "block.history")
    assert [p.name for p in tmp_path.iterdir()] == ["block.history"]
    other = History(model, POINTS)
    other.read(tmp_path / "block.history")
    for name in (*other.state_names, *other.force_names):
        assert torch.equal(other.old(name), history.old(name))
        assert torch.equal(*torch.broadcast_tensors(other.current(name), other.old(name)))
    history.revert()
    for h in (history, other):
        h.set("t", 0.5)
        h.set("strain", strain_at(0.5))
        h.evaluate()
    assert torch.equal(other.current("stress"), history.current("stress"))


def test_files_that_do_not_fit_are_refused_and_change_nothing(model, history, compiled, tmp_path):
    advance(history, 0.1)
    history.accept()
    path = tmp_path / "block.history"
    history.write(path)
    good = path.read_bytes()
    kept = history.old("stress").clone()
    for k in range(0, len(good), 37):
        path.write_bytes(good[:k] + bytes([good[k] ^ 1]) + good[k + 1 :])
        with pytest.raises(FatalError, match=r"no history of material points|its version is|checksum"):
            history.read(path)
    path.write_bytes(good[:-9])
    with pytest.raises(FatalError, match="cut short"):
        history.read(path)
    path.write_bytes(good)
    with pytest.raises(FatalError, match=f"it has {POINTS} points, not 6"):
        History(model, 6).read(path)
    decay = Model(metadata(compiled(CUBIC_DECAY, "model", "--backend", "native")))
    with pytest.raises(FatalError, match="another model or block: it has"):
        History(decay, POINTS).read(path)
    with pytest.raises(FatalError, match="missing"):
        history.read(tmp_path / "missing")
    with pytest.raises(FatalError, match="cannot write the history"):
        history.write(tmp_path / "nowhere" / "block")
    assert torch.equal(history.old("stress"), kept)


def test_the_file_is_what_the_documentation_says(history, tmp_path):
    advance(history, 0.1)
    history.accept()
    history.write(tmp_path / "h")
    content = (tmp_path / "h").read_bytes()
    assert content[:8] == b"neml2his" and int.from_bytes(content[8:12], "little") == 1
    size = int.from_bytes(content[12:16], "little")
    described = json.loads(content[16 : 16 + size])
    assert described["points"] == POINTS and described["dtype"] == "float64"
    numbers = np.frombuffer(content[16 + size : -64])
    for entry in described["arrays"]:
        count = int(np.prod(entry["shape"]))
        expected = history.old(entry["name"], entry["steps"]).numpy()
        assert np.array_equal(numbers[:count].reshape(entry["shape"]), expected)
        numbers = numbers[count:]
    assert not len(numbers)


def test_mistakes_are_named(model, history):
    with pytest.raises(FatalError, match="did you mean 'strain'"):
        history.set("strian", 0.0)
    with pytest.raises(FatalError, match="'stress' is an output"):
        history.set("stress", 0.0)
    with pytest.raises(FatalError, match=r"expected \(5, 6\), or \(6,\)"):
        history.set("strain", torch.zeros(4, 6, dtype=F64))
    with pytest.raises(FatalError, match="not kept"):
        history.old("stress", 2)
    with pytest.raises(FatalError, match="compile it with -d stress:t"):
        History(model, 2, [("stress", "t")])
    with pytest.raises(FatalError, match="no tangents"):
        History(model, 2).evaluate_with_tangents()
    with pytest.raises(FatalError, match="-1 points"):
        History(model, -1)


def test_an_empty_block(model, tmp_path: Path):
    history = History(model, 0, [("stress", "strain")])
    history.evaluate_with_tangents()
    history.accept()
    history.write(tmp_path / "h")
    history.read(tmp_path / "h")
    assert history.tangent("stress", "strain").shape == (0, 6, 6)

# SPDX-License-Identifier: MIT
"""Kernels of whole models: against the interpreter and eager evaluation, in any layout, with Newton's loop inside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from native_kernels import LEVELS, built, from_text, reference, state_of, steps_of, viscoplastic

import neml2.types as types
from neml2.compiler.backends.native import host
from neml2.compiler.graph import interpret

PAIRS = ["stress:strain", "stress:t", "equivalent_stress:strain", "equivalent_stress:stress~1"]


@pytest.fixture(scope="module")
def model():
    return from_text(viscoplastic(), "model", PAIRS)


@pytest.fixture(scope="module")
def library(model):
    return built(model[1])


def close(got, want, rtol):
    scale = np.abs(want).max(initial=1e-12)
    np.testing.assert_allclose(got, np.reshape(want, got.shape), rtol=0, atol=rtol * scale)


def eager(model, library, values):
    kinds = {s.name: getattr(types, s.type) for s in library.inputs}
    found = model.evaluate({name: kinds[name](torch.tensor(v)) for name, v in values.items()})
    return {name: v.data.detach().numpy() for name, v in found.items()}


@pytest.mark.parametrize("points", [2, 7, 8, 9, 33])
def test_forward_against_interpreter_and_eager(model, library, points):
    values = steps_of(points, seed=points)
    found, report = library.forward(values)
    outputs, _, (solution,) = reference(model[1], "forward", values, points)
    assert report.ok
    np.testing.assert_array_equal(report.iterations, solution.iterations)
    for slot, want in zip(library.outputs, outputs, strict=True):
        close(found[slot.name], want, 1e-13)
    for name, want in eager(model[0], library, values).items():
        close(found[name], want, 1e-10)


def strain_path(kind, steps, points):
    """(steps + 1, points, 6): each point strained in a direction of its own, from nothing to far beyond yield."""
    rng = np.random.default_rng(7)
    direction = rng.normal(size=(points, 6)) * np.logspace(-4, -2, points)[:, None]
    if kind == "random":
        return np.cumsum([np.zeros((points, 6)), *rng.normal(size=(steps, points, 6)) * 3e-4], axis=0)
    s = np.linspace(0, 1, steps + 1)
    return (s if kind == "monotonic" else np.sin(4 * np.pi * s))[:, None, None] * direction


@pytest.mark.parametrize("kind", ["monotonic", "cyclic", "random"])
def test_along_a_path(model, library, kind):
    """The kernel and the eager model each go their own way; the last group of lanes is ragged."""
    points, steps = 13, 24
    strain = strain_path(kind, steps, points)
    native = other = {"stress": np.zeros((points, 6)), "equivalent_plastic_strain": np.zeros(points)}
    most = 0
    for step in range(1, steps + 1):
        driven = {"strain": strain[step], "strain~1": strain[step - 1],
                  "t": np.full(points, float(step)), "t~1": np.full(points, step - 1.0)}  # fmt: skip
        states = [
            {**driven, "stress~1": s["stress"], "equivalent_plastic_strain~1": s["equivalent_plastic_strain"]}
            for s in (native, other)
        ]
        native, report = library.forward(states[0])
        assert report.ok
        _, _, (solution,) = reference(model[1], "forward", states[0], points)
        np.testing.assert_array_equal(report.iterations, solution.iterations)
        most = max(most, report.iterations.max())
        other = eager(model[0], library, states[1])
        for name, value in native.items():
            close(value, other[name], 1e-10)
    assert most > 1 and (native["equivalent_plastic_strain"] > 0).sum() > points / 2


def test_one_point_is_the_lane(library):
    values = steps_of(11)
    wide, _ = library.forward(values)
    for p in range(11):
        one, report = library.forward({name: v[p] for name, v in values.items()})
        assert report.ok
        for name, value in one.items():
            close(value, wide[name][p], 1e-12)


def test_tangent_against_interpreter_and_differences(model, library):
    values = steps_of(9, seed=5)
    _, blocks, report = library.jacobian(values)
    assert report.ok
    _, derivatives, _ = reference(model[1], "jacobian", values, 9)
    for (_, block), want in zip(blocks.items(), derivatives, strict=True):
        close(block, want, 1e-10)
    out, name, h = "stress", "strain", 1e-7
    for k in range(6):
        step = np.zeros(6)
        step[k] = h
        high, low = (library.forward({**values, name: values[name] + s * step})[0][out] for s in (1, -1))
        close(blocks[out, name][..., k], (high - low) / (2 * h), 2e-4)


def test_jvp_is_the_jacobian_times_the_tangent(library):
    values, rng = steps_of(10, seed=2), np.random.default_rng(0)
    tangents = {"strain": rng.normal(size=(10, 6)), "t": rng.normal(size=10), "stress~1": rng.normal(size=(10, 6))}
    _, blocks, _ = library.jacobian(values)
    _, moved, _ = library.jvp(values, tangents)
    for out in ("stress", "equivalent_stress"):
        want = sum(
            np.einsum("poi,pi->po", block.reshape(10, -1, tangents[given].reshape(10, -1).shape[1]),
                      tangents[given].reshape(10, -1))
            for (o, given), block in blocks.items() if o == out
        )  # fmt: skip
        close(moved[out], want, 1e-11)


@pytest.mark.parametrize("level", LEVELS)
def test_instruction_sets_agree(model, library, level):
    values = steps_of(13)
    other = built(model[1], level)
    for name, value in other.forward(values)[0].items():
        close(value, library.forward(values)[0][name], 1e-11)


def test_single_precision():
    made = from_text(viscoplastic(solver_options="rel_tol = 1e-4"), "model", PAIRS[:1])[1]
    library, single = built(made), built(made, scalar="float")
    values = steps_of(19)
    found, report = single.forward(values)
    assert report.ok and found["stress"].dtype == np.float32
    close(found["stress"], library.forward(values)[0]["stress"], 1e-4)


def test_promoted_parameters_may_be_batched(model, library):
    name = next(n for n, _ in model[0].named_parameters() if n.endswith("isoharden.K"))
    values = steps_of(12, seed=3)
    plain, _ = library.forward(values)
    library = built(from_text(viscoplastic(), "model", [f"stress:{name}"], [name])[1])
    default, _ = library.forward(values)
    close(default["stress"], plain["stress"], 1e-12)
    stiffness = np.linspace(100, 5000, 12)
    found, blocks, _ = library.jacobian({**values, name: stiffness})
    for p in range(12):
        one, _ = library.forward({**{k: v[p] for k, v in values.items()}, name: stiffness[p]})
        close(found["stress"][p], one["stress"], 1e-12)
    h = 1e-2
    high, low = (library.forward({**values, name: stiffness + s * h})[0]["stress"] for s in (1, -1))
    close(blocks["stress", name], (high - low) / (2 * h), 1e-5)


# ---- layouts ---------------------------------------------------------------------------------------------------------


def test_any_strides_are_read_in_place(library):
    values = steps_of(24, seed=8)
    want, _ = library.forward(values)
    big = np.full((24, 3, 13), np.nan)
    big[:, 1, 0:12:2] = values["strain"]
    odd = {**values, "strain": big[:, 1, 0:12:2], "stress~1": np.asfortranarray(values["stress~1"])}
    backwards = {name: v[::-1].copy()[::-1] for name, v in odd.items()}
    for given in (odd, backwards):
        for name, value in library.forward(given)[0].items():
            np.testing.assert_array_equal(value, want[name])


def test_batch_axes_broadcast(library):
    rows, columns = steps_of(5, seed=1), steps_of(4, seed=2)
    values = {name: (v[:, None] if name.startswith("strain") else columns[name]) for name, v in rows.items()}
    found, _ = library.forward(values)
    full = {name: np.broadcast_to(v, (5, 4, *v.shape[2 if name.startswith("strain") else 1 :])).copy()
            for name, v in values.items()}  # fmt: skip
    flat = {name: v.reshape(20, *v.shape[2:]) for name, v in full.items()}
    want, _ = library.forward(flat)
    for name, value in found.items():
        np.testing.assert_array_equal(value.reshape(want[name].shape), want[name])


def test_cutting_a_batch_changes_no_bit(library):
    values, lanes = steps_of(100, seed=4), library.lanes
    whole, _ = library.forward(values)
    cut = 3 * lanes
    first, _ = library.forward(values, span=(0, cut))
    second, _ = library.forward(values, span=(cut, 100))
    for name, value in whole.items():
        np.testing.assert_array_equal(value[:cut], first[name][:cut])
        np.testing.assert_array_equal(value[cut:], second[name][cut:])


def test_empty_batch(library):
    values = {name: v[:0] for name, v in steps_of(3).items()}
    found, blocks, report = library.jacobian(values)
    assert found["stress"].shape == (0, 6) and blocks["stress", "strain"].shape == (0, 6, 6) and report.ok


# ---- Newton ----------------------------------------------------------------------------------------------------------


def test_hostile_points_leave_their_neighbours_alone(library):
    values = steps_of(16, seed=6)
    want, _ = library.forward(values)
    bad = {3: np.nan, 9: np.inf}
    broken = {name: v.copy() for name, v in values.items()}
    for p, value in bad.items():
        broken["strain"][p] = value
    found, report = library.forward(broken)
    good = [p for p in range(16) if p not in bad]
    assert (report.status[list(bad)] == 2).all() and not report.status[good].any()
    np.testing.assert_array_equal(found["stress"][good], want["stress"][good])


def test_iterations_used_up(model, library):
    values = steps_of(9, seed=7)
    _, full = library.forward(values)
    few = host.Solver.from_buffer_copy(library.solvers[0])
    few.max_its = 3
    _, report = library.forward(values, solvers=[few])
    np.testing.assert_array_equal(report.status == 1, full.iterations > 2)
    assert (report.residual[report.status == 1] > 0).all()


def test_a_failure_is_the_same_with_tangent(library):
    """Whoever converges at the last update, and takes one more, beside the point that fails."""
    values = steps_of(16, seed=8, size=2e-2)
    _, full = library.forward(values)
    for last in range(1, full.iterations.max()):
        settings = host.Solver.from_buffer_copy(library.solvers[0])
        settings.max_its, settings.rel_tol = last + 1, 1e-4
        *_, plain = library.forward(values, solvers=[settings])
        *_, tangent = library.jacobian(values, solvers=[settings])
        assert not plain.ok or last > 2
        np.testing.assert_array_equal(plain.iterations, tangent.iterations)
        np.testing.assert_array_equal(plain.status, tangent.status)
        np.testing.assert_array_equal(plain.residual[plain.status > 0], tangent.residual[plain.status > 0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_given_must_be_finite(library, value):
    """Whether or not the residual would show it: the boundary says so by status, and the neighbours go on."""
    values = steps_of(9)
    *_, usual = library.forward(values)
    for name in values:
        bad = {n: v.copy() for n, v in values.items()}
        bad[name][4] = value
        for function in (library.forward, library.jacobian):
            *_, report = function(bad)
            np.testing.assert_array_equal(report.status, np.where(np.arange(9) == 4, 2, 0))
            np.testing.assert_array_equal(np.delete(report.iterations, 4), np.delete(usual.iterations, 4))
            assert report.iterations[4] == 0 and not np.isfinite(report.residual[4])


@pytest.mark.parametrize("kind", ["BACKTRACKING", "STRONG_WOLFE"])
def test_line_search(kind):
    options = f"linesearch_type = {kind}\n max_linesearch_iterations = 5"
    made = from_text(viscoplastic("NewtonWithLineSearch", options), "update")[1]
    library = built(made)
    values = steps_of(21, seed=9, size=2e-2)
    found, report = library.forward(values)
    outputs, _, (solution,) = reference(made, "forward", values, 21)
    np.testing.assert_array_equal(report.iterations, solution.iterations)
    np.testing.assert_array_equal(report.ok, solution.converged.all())
    close(found["stress"][solution.converged], outputs[0][solution.converged], 1e-11)


def test_substepping_is_bisection():
    """Against the recursion written out, one point after another, with the kernel that takes whole steps."""
    levels, names = 8, ("stress", "equivalent_plastic_strain")
    texts = (
        viscoplastic(solver_options="max_its = 10", options=options).replace("predictor = 'predictor'", "")
        for options in ("", f"max_substepping_level = {levels}")
    )
    plain, stepping = (built(from_text(text, "update")[1]) for text in texts)
    settings = host.Solver.from_buffer_copy(plain.solvers[0])
    settings.max_substepping, settings.update_tol = 1, stepping.solvers[0].update_tol  # the same test of convergence
    hard = steps_of(11, seed=10, size=5e-3)
    hard.update({name: hard[f"{name}~1"] for name in names})  # without a predictor the guess is an input
    found, report = stepping.forward(hard)
    assert report.ok and (plain.forward(hard)[1].status != 0).any()

    def walk(values, old, start, end, level):
        """Solution at `end` from that at `start`, and the updates made."""
        part = {**values, **old, **{f"{name}~1": v for name, v in old.items()}}  # which is the guess, too
        for name in ("strain", "t"):
            change = values[name] - values[f"{name}~1"]
            part[f"{name}~1"] = values[f"{name}~1"] + start * change
            part[name] = values[f"{name}~1"] + end * change
        solved, outcome = plain.forward(part, solvers=[settings])
        count = int(outcome.iterations[0])
        if outcome.ok:
            return solved, count
        assert level < levels
        middle = 0.5 * (start + end)
        half, one = walk(values, old, start, middle, level + 1)
        rest, two = walk(values, half, middle, end, level + 1)
        return rest, count + one + two

    for p in range(11):
        values = {name: v[p] for name, v in hard.items()}
        want, count = walk(values, {name: values[f"{name}~1"] for name in names}, 0.0, 1.0, 0)
        close(found["stress"][p], want["stress"], 1e-9)
        assert report.iterations[p] == count


def test_report_without_failures_costs_no_arrays(library):
    found, _ = library.forward(steps_of(4))
    assert np.isfinite(found["stress"]).all()


def test_interpreter_counts_like_the_kernel(model):
    values = steps_of(6, seed=12)
    state = state_of(model[1], values, 6)
    _, _, (solution,) = interpret.run(model[1], model[1].forward, state)
    assert solution.converged.all() and solution.iterations.max() > 1

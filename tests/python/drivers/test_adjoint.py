# SPDX-License-Identifier: MIT
"""The gradient of a history of a compiled model: that of finite differences, of the eager model and of a recursion in
closed form; with all states kept, and with few."""

from __future__ import annotations

import pytest
import torch

from input_texts import decay
from neml2.aoti import FatalError, load_model
from neml2.drivers import adjoint
from neml2.drivers.adjoint import History
from neml2.hit import load_string
from support import ROOT

F64 = torch.float64
ISOHARDEN = (ROOT / "benchmarks" / "implicit" / "isoharden.i").read_text()
HARDENING, YIELD = "rates.isoharden.K", "rates.normality.flow.yield_surface.sy"
FLAGS = ("--backend", "native", "-d", ":", "-p", HARDENING, "-p", YIELD, "-d", f":{HARDENING}", "-d", f":{YIELD}")
SOLVED = {"newton": {"abs_tol": "1e-13", "rel_tol": "1e-13"}}
STEPS, POINTS = 12, 3


@pytest.fixture(scope="module")
def model(compiled):
    return load_model(compiled(ISOHARDEN, "model", *FLAGS), "model", solvers=SOLVED)


@pytest.fixture(scope="module")
def given():
    """Cyclic straining of some points, each along its own direction, far beyond yield."""
    generator = torch.Generator().manual_seed(2)
    way = torch.randn(POINTS, 6, generator=generator, dtype=F64)
    s = torch.linspace(0, 1, STEPS + 1, dtype=F64)
    forces = {"strain": 3e-3 * torch.sin(7 * s)[:, None, None] * way, "t": 10 * s}
    start = {
        "stress": torch.randn(POINTS, 6, generator=generator, dtype=F64),
        "equivalent_plastic_strain": torch.tensor(1e-3, dtype=F64),
    }
    parameters = {HARDENING: torch.tensor(900.0, dtype=F64), YIELD: torch.tensor([4.0, 5.0, 6.0], dtype=F64)}
    return forces, start, parameters


def objective(step, outputs):
    weights = torch.arange(1.0, 7.0, dtype=F64)
    return (outputs["stress"] * weights).sum() * step + 1e3 * (outputs["equivalent_plastic_strain"] ** 2).sum()


WRT = ["strain", "t", "stress", "equivalent_plastic_strain", HARDENING, YIELD]


def test_is_that_of_finite_differences(model, given):
    value, found = History(model, *given).gradient(objective, WRT)
    for name in WRT:
        group = next(g for g in given if name in g)
        generator = torch.Generator().manual_seed(3)
        way = torch.randn(group[name].shape, generator=generator, dtype=F64)
        h = {"strain": 2e-6, "t": 1e-3, "stress": 1e-2, "equivalent_plastic_strain": 1e-5}.get(name, 1e-2)

        def moved(k, name=name, way=way, h=h):
            other = [{n: v + k * h * way if n == name else v for n, v in g.items()} for g in given]
            return History(model, *other).gradient(objective, [])[0].item()

        assert moved(0) == value.item()
        slope = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h)
        assert found[name].shape == group[name].shape
        assert (found[name] * way).sum().item() == pytest.approx(slope, rel=1e-7), name


def test_is_that_of_the_eager_model(model, given):
    """Five steps of the same law in PyTorch, with the package's parameters."""
    text = ISOHARDEN.replace("type = Newton\n", "type = Newton\n    abs_tol = 1e-13\n    rel_tol = 1e-13\n")
    other = load_string(text).get_model("model")
    forces = {name: value[:6].clone().requires_grad_() for name, value in given[0].items()}
    start = {name: value.clone().requires_grad_() for name, value in given[1].items()}
    before, total = dict(start), 0
    for step in range(1, 6):
        state = {"strain": forces["strain"][step], "t": forces["t"][step], **{f"{n}~1": v for n, v in before.items()}}
        state |= {f"{name}~1": value[step - 1] for name, value in forces.items()}
        zero = {n: torch.zeros(t.BASE_SHAPE, dtype=F64) for n, t in other.input_spec.items()}
        outputs = other.evaluate({n: t(state.get(n, zero[n])) for n, t in other.input_spec.items()})
        before = {name: outputs[name].data for name in start}
        total = total + objective(step, before)
    total.backward()
    plain = [{n: v.detach() for n, v in some.items()} for some in (forces, start)]
    value, found = History(model, *plain).gradient(objective, [*forces, *start])
    assert value.item() == pytest.approx(total.item(), rel=1e-10)
    for name, leaf in {**forces, **start}.items():
        scale = leaf.grad.abs().max().item()
        torch.testing.assert_close(found[name], leaf.grad, rtol=1e-9, atol=1e-9 * scale)


def test_does_not_depend_on_what_is_kept(model, given):
    history = History(model, *given)
    value, want = history.gradient(objective, WRT)
    state = 2 * POINTS * 7 * 8  # a state and its cotangents
    for memory in (10**9, 8 * state, 6 * state):
        again, found = history.gradient(objective, WRT, memory=memory)
        assert again == value
        assert all(torch.equal(found[name], want[name]) for name in WRT)
    with pytest.raises(ValueError, match=r"100 bytes hold too few states of 12 steps; give \d+"):
        history.gradient(objective, WRT, memory=100)


def test_under_autograd(model, given):
    leaves = [{n: v.clone().requires_grad_() for n, v in g.items()} for g in given]
    found = adjoint.outputs(model, *leaves)
    assert found["stress"].shape == (STEPS, POINTS, 6)
    sum(objective(s, {n: v[s - 1] for n, v in found.items()}) for s in range(1, STEPS + 1)).backward()
    _, want = History(model, *given).gradient(objective, WRT)
    for group in leaves:
        for name, leaf in group.items():
            torch.testing.assert_close(leaf.grad, want[name], rtol=1e-13, atol=0)


def test_a_recursion_in_closed_form(compiled):
    """x' = -x by backward Euler: x_n = x_0 / prod(1 + dt)."""
    made = load_model(compiled(decay(-1), "update", "--backend", "native", "-d", ":"), "update")
    t = torch.tensor([0.0, 0.1, 0.3, 0.6], dtype=F64)
    start = {"x": torch.tensor(2.0, dtype=F64)}
    last = lambda step, outputs: outputs["x"].sum() * (step == 3)  # noqa: E731
    value, found = History(made, {"t": t}, start).gradient(last, ["x", "t"])
    factors = 1 + t.diff()
    torch.testing.assert_close(value, 2 / factors.prod(), rtol=1e-7, atol=0)
    torch.testing.assert_close(found["x"], 1 / factors.prod(), rtol=1e-7, atol=0)
    by_dt = -value / factors
    torch.testing.assert_close(
        found["t"], torch.cat([-by_dt[:1], by_dt[:-1] - by_dt[1:], by_dt[-1:]]), rtol=1e-6, atol=0
    )


def test_what_does_not_fit_is_said(model, given, compiled):
    forces, start, parameters = given
    wrong = [
        ({"strian": forces["strain"]}, start, parameters, "'strian' is no force of .*did you mean 'strain'"),
        ({**forces, "t": forces["t"][1:]}, start, parameters, "the same two or more steps"),
        (forces, {"strss": start["stress"]}, parameters, "'strss' is no output of .*did you mean 'stress'"),
        (forces, start, {"K": parameters[HARDENING]}, "'K' is no promoted parameter"),
    ]
    for *arguments, text in wrong:
        with pytest.raises(ValueError, match=text):
            History(model, *arguments)
    with pytest.raises(ValueError, match="'strian' is no force, parameter or value at the start"):
        History(model, *given).gradient(objective, ["strian"])
    lacking = load_model(compiled(ISOHARDEN, "model", "--backend", "native", "-d", "stress:strain"), "model")
    with pytest.raises(FatalError, match="compile the model with -d "):
        History(lacking, forces, start).gradient(objective, ["strain"])

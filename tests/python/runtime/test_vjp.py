# SPDX-License-Identifier: MIT
"""vjp of compiled models, whatever engine evaluates them: cotangents times the Jacobian; shared values get sums whose
bits do not depend on the number of threads; parameters may be given with the inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from elasticity import DERIVATIVES, hooke
from implicit_cases import CASES, CUT, F64, HARDENING, ISOHARDEN_FLAGS, YIELD, inner, loaded

from input_texts import ELASTICITY
from neml2 import aoti
from neml2.aoti import Model, SimpleScheduler, StaticHybridScheduler, load_model
from support import Compile

ENGINES = ("aoti", "native", "device", "parts", "elsewhere")
SOLVED = ("Solvers/newton/abs_tol=1e-13", "Solvers/newton/rel_tol=1e-12")


def load(compiled: Compile, engine: str, text: str, name: str, flags: tuple[str, ...], monkeypatch) -> Model:
    monkeypatch.setenv("NEML2_ENGINE", "device" if engine == "device" else "cpu")
    backend = ("--backend", "native") if engine == "native" else ()
    stub = compiled(text, name, *flags, *backend)
    schedulers = {
        "parts": lambda: SimpleScheduler("cpu", 7),
        "elsewhere": lambda: StaticHybridScheduler(["cpu:0", "cpu:1"], [5, 9], priorities=[0, 1]),
    }
    return load_model(stub, name, schedulers[engine]() if engine in schedulers else None)


def contracted(model: Model, inputs: dict, cotangents: dict) -> dict[str, torch.Tensor]:
    """The same from the Jacobian, with a row for each point."""
    blocks = model.jacobian(inputs)[1]
    found: dict[str, torch.Tensor] = {}
    for out, given in model.derivative_pairs:
        rows, points = model.output_base_shapes[out], cotangents[out].shape[0]
        wide = blocks[out][given].ndim > len(rows) + len(model.input_base_shapes.get(given, ()))
        block = blocks[out][given] if wide else blocks[out][given].expand(points, *blocks[out][given].shape)
        c = cotangents[out].reshape(points, -1)
        part = torch.einsum("pi,pij->pj", c, block.reshape(points, c.shape[1], -1))
        found[given] = found.get(given, 0) + part
    return found


def random(model: Model, values: dict, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = dict.fromkeys(out for out, _ in model.derivative_pairs)
    return {name: torch.randn(values[name].shape, generator=generator, dtype=F64) for name in outputs}


def close(found, want, rtol, cancels=0.0):
    """`cancels`: the size of what a derivative of zero is the difference of."""
    assert (found - want).abs().max().item() <= max(rtol * want.abs().max().item(), 1e-13 * cancels)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("law", ["isoharden", "radret"])
def test_cotangents_times_the_jacobian(compiled, engine, law, monkeypatch):
    text, flags = CASES[law]
    model = load(compiled, engine, text, "model", flags, monkeypatch)
    inputs = loaded(model, 37)
    values = model.forward(inputs)
    cotangents = random(model, values)
    outputs, found = model.vjp(inputs, cotangents)
    want = contracted(model, inputs, cotangents)
    assert set(found) == set(want)
    most = max(value.abs().max().item() for value in want.values())
    for name in outputs:
        assert torch.equal(outputs[name], values[name])
    for name, value in found.items():
        if name in inputs:
            assert value.shape == inputs[name].shape
            close(value.reshape(37, -1), want[name], 1e-9, most)
        else:  # a parameter that all points share
            assert value.shape == model.named_parameters()[name].shape
            close(value.reshape(-1), want[name].sum(0), 1e-9)


@pytest.mark.parametrize("engine", ["aoti", "native"])
def test_of_steps_that_are_cut(compiled, engine, monkeypatch):
    model = load(compiled, engine, CUT, "model", ("-d", ":strain", "-d", "stress:plastic_strain~1"), monkeypatch)
    inputs = loaded(model, 9)
    cotangents = random(model, model.forward(inputs))
    want = contracted(model, inputs, cotangents)
    for name, value in model.vjp(inputs, cotangents)[1].items():
        close(value.reshape(9, -1), want[name], 1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch, of_E, of_strain", [
    ((), (), ()), ((23,), (), (23,)), ((23,), (1,), (23,)), ((23,), (23,), ()), ((4, 5), (5,), (4, 5)),
    ((4, 5), (4, 1), (5,)), ((0,), (), (0,)), ((3,), (1,), (1, 3)),
])  # fmt: skip
def test_shared_values_get_the_sum(compiled, engine, batch, of_E, of_strain, monkeypatch):
    """Hooke's law, s = E C e: the cotangents in closed form."""
    model = load(compiled, engine, ELASTICITY, "elasticity", DERIVATIVES, monkeypatch)
    generator = torch.Generator().manual_seed(1)
    E = torch.rand(of_E, generator=generator, dtype=F64) + 1
    strain = torch.randn((*of_strain, 6), generator=generator, dtype=F64)
    batch = torch.broadcast_shapes(E.shape, strain.shape[:-1])
    c = torch.randn((*batch, 6), generator=generator, dtype=F64)
    outputs, found = model.vjp({"strain": strain, "E": E}, {"stress": c})
    torch.testing.assert_close(outputs["stress"], hooke(strain, 1.0) * E[..., None], rtol=1e-12, atol=1e-14)
    each_E = (c * hooke(strain, 1.0)).sum(-1)
    each_strain = hooke(c, 1.0) * E[..., None]
    torch.testing.assert_close(found["E"], each_E.sum_to_size(E.shape), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(found["strain"], each_strain.sum_to_size(strain.shape), rtol=1e-11, atol=1e-12)
    into = {name: torch.full_like(value, 7.0) for name, value in found.items()}
    model.vjp_into({"strain": strain, "E": E}, {"stress": c}, {}, into)
    for name, value in found.items():
        assert torch.equal(into[name], value)


@pytest.mark.parametrize("engine", ["aoti", "native"])
def test_bits_do_not_depend_on_the_number_of_threads(compiled, engine, monkeypatch):
    model = load(compiled, engine, CASES["isoharden"][0], "model", ISOHARDEN_FLAGS, monkeypatch)
    inputs = loaded(model, 5003)
    cotangents = random(model, model.forward(inputs))
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(model.vjp(inputs, cotangents)[1])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(other[name], value) for name, value in found[0].items())


def test_a_parameter_given_with_the_inputs_counts_for_that_call(isoharden_stub: Path):
    model = inner(isoharden_stub, *SOLVED)
    inputs = loaded(model, 5)
    before, value = model.forward(inputs), model.named_parameters()[YIELD].clone()
    found = model.forward({**inputs, YIELD: 2 * value})
    assert torch.equal(model.forward(inputs)["stress"], before["stress"])
    model.set_parameter(YIELD, 2 * value)
    try:
        assert torch.equal(model.forward(inputs)["stress"], found["stress"])
    finally:
        model.set_parameter(YIELD, value)
    with pytest.raises(aoti.FatalError, match="unknown input 'E'"):
        model.forward({**inputs, "E": value})


def test_by_a_parameter_as_by_differences(isoharden_stub: Path):
    model = inner(isoharden_stub, *SOLVED)
    inputs = loaded(model, 5)
    cotangents = random(model, model.forward(inputs))
    _, found = model.vjp(inputs, cotangents)
    for name in (HARDENING, YIELD):
        value = model.named_parameters()[name]
        h = 1e-4 * value.item()

        def work(k, name=name, value=value, h=h):
            moved = model.forward({**inputs, name: value + k * h})
            return sum((moved[out] * c).sum() for out, c in cotangents.items())

        slope = (8 * (work(1) - work(-1)) - (work(2) - work(-2))) / (12 * h)
        torch.testing.assert_close(found[name], slope, rtol=1e-7, atol=0)


def test_what_cannot_be_is_refused_in_words(promoted: Path):
    model = Model(promoted)
    strain = torch.zeros(3, 6, dtype=F64)
    wrong = [
        (({"strain": strain}, {"strin": strain}), "unknown name 'strin' among the cotangents"),
        (({"strain": strain}, {"stress": strain[:2]}), "do not broadcast"),
    ]
    for arguments, text in wrong:
        with pytest.raises(aoti.FatalError, match=text):
            model.vjp(*arguments)
    into = {"strain": torch.zeros(1, 6, dtype=F64)}
    with pytest.raises(aoti.FatalError, match=r"has shape \(1, 6\), expected \(3, 6\), that of the input"):
        model.vjp_into({"strain": strain}, {}, {}, into)
    with pytest.raises(aoti.FatalError, match="no derivative with respect to 'stran'"):
        model.vjp_into({"strain": strain}, {}, {}, {"stran": strain})

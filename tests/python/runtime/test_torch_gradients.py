# SPDX-License-Identifier: MIT
"""Compiled models under PyTorch: backward is that of the model they were compiled from, by inputs and promoted
parameters; torch.func and torch.compile take them."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from elasticity import hooke
from implicit_cases import F64, HARDENING, ISOHARDEN, YIELD, eager, inner, loaded

import neml2
from neml2.aoti import FatalError, Model

SOLVED = ("Solvers/newton/abs_tol=1e-13", "Solvers/newton/rel_tol=1e-12")
POINTS = 5


@pytest.fixture(scope="module")
def isoharden(isoharden_stub: Path) -> Model:
    return inner(isoharden_stub, *SOLVED)


@pytest.fixture(scope="module")
def law(promoted_stub: Path):
    """Hooke's law with a promoted modulus, as an object of an input file."""
    return neml2.load_model(promoted_stub, "elasticity")


@pytest.fixture
def strain() -> torch.Tensor:
    return torch.randn(POINTS, 6, dtype=F64, generator=torch.Generator().manual_seed(0)) * 1e-3


def leaves(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.clone().requires_grad_() for name, value in inputs.items()}


def work(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum((v * torch.arange(1.0, v.numel() + 1, dtype=F64).reshape(v.shape)).sum() for v in outputs.values())


def test_backward_is_that_of_the_eager_model(isoharden: Model) -> None:
    inputs = loaded(isoharden, POINTS)
    other = eager(ISOHARDEN, *SOLVED)
    ours, theirs = leaves(inputs), leaves(inputs)
    for name in (HARDENING, YIELD):
        isoharden.named_parameters()[name].requires_grad_().grad = None
    try:
        work(isoharden.forward(ours)).backward()
        values = other.evaluate({name: other.input_spec[name](v) for name, v in theirs.items()})
        work({name: values[name].data for name in isoharden.output_names}).backward()
        for name in inputs:
            want = theirs[name].grad if theirs[name].grad is not None else torch.zeros_like(inputs[name])
            torch.testing.assert_close(ours[name].grad, want, rtol=1e-9, atol=1e-9 * max(want.abs().max().item(), 1e-3))
        parameters = dict(other.named_parameters())
        for name in (HARDENING, YIELD):
            found = isoharden.named_parameters()[name].grad
            torch.testing.assert_close(found, parameters[name].grad.reshape(found.shape), rtol=1e-9, atol=0)
    finally:
        for name in (HARDENING, YIELD):
            isoharden.named_parameters()[name].requires_grad_(False)


def test_a_package_without_the_pair_says_which_one_it_lacks(isoharden_stub: Path, compiled) -> None:
    model = inner(compiled(ISOHARDEN, "model", "-d", "stress:strain"))
    inputs = loaded(model, POINTS)
    strain = inputs["strain"].requires_grad_()
    model.forward(inputs)["stress"].sum().backward()
    assert strain.grad.abs().max() > 0
    inputs["t"].requires_grad_()
    with pytest.raises(FatalError, match=r"'stress' by 't'.* compile the model with -d stress:t"):
        model.forward(inputs)["stress"].sum().backward()


def test_without_gradients_nothing_is_recorded(isoharden: Model) -> None:
    inputs = leaves(loaded(isoharden, POINTS))
    with torch.no_grad():
        assert not isoharden.forward(inputs)["stress"].requires_grad
    assert not isoharden.forward({n: v.detach() for n, v in inputs.items()})["stress"].requires_grad


def by_strain(law, strain: torch.Tensor) -> torch.Tensor:
    return law(strain)[0].data


def test_a_model_of_an_input_file_knows_its_backward(law, strain) -> None:
    strain.requires_grad_()
    E = law.named_parameters()["E"].requires_grad_()
    try:
        (by_strain(law, strain) ** 2).sum().backward()
        stress = hooke(strain.detach())
        torch.testing.assert_close(strain.grad, hooke(2 * stress))
        torch.testing.assert_close(E.grad, 2 * (stress**2).sum() / E.detach())
    finally:
        E.grad = None
        E.requires_grad_(False)


TRANSFORMS = {
    "vmap": lambda f, x: torch.func.vmap(f)(x),
    "vmap of another axis": lambda f, x: torch.func.vmap(f, in_dims=1)(x[:, None] * torch.ones(1, 3, 1, dtype=F64)),
    "jvp": lambda f, x: torch.func.jvp(f, (x,), (x,))[1],
    "vjp": lambda f, x: torch.func.vjp(f, x)[1](x)[0],
    "grad": lambda f, x: torch.func.grad(lambda y: (f(y) ** 2).sum())(x),
    "jacrev": lambda f, x: torch.func.jacrev(f)(x),
    "jacfwd": lambda f, x: torch.func.jacfwd(f)(x),
    "vmapped jacrev": lambda f, x: torch.func.vmap(torch.func.jacrev(f))(x),
    "vmapped jacfwd": lambda f, x: torch.func.vmap(torch.func.jacfwd(f))(x),
    "dual numbers": lambda f, x: dual(f, x),
}


def dual(f, x):
    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, x + 1))).tangent


@pytest.mark.parametrize("way", TRANSFORMS)
def test_transforms(promoted: Path, way: str, strain) -> None:
    model = Model(promoted)
    found = TRANSFORMS[way](lambda x: model.forward({"strain": x})["stress"], strain)
    torch.testing.assert_close(found, TRANSFORMS[way](hooke, strain))


def test_transforms_over_a_parameter(promoted: Path, strain) -> None:
    model = Model(promoted)
    E = torch.linspace(1e5, 2e5, 4, dtype=F64)
    stress = lambda E: model.forward({"strain": strain, "E": E})["stress"]  # noqa: E731
    want = lambda E: hooke(strain, 1.0) * E  # noqa: E731
    torch.testing.assert_close(torch.func.vmap(stress)(E), torch.func.vmap(want)(E))
    torch.testing.assert_close(
        torch.func.vmap(torch.func.jacrev(stress))(E), torch.func.vmap(torch.func.jacrev(want))(E)
    )


SECOND = {
    "backward": lambda f, x: torch.autograd.grad(f(x.requires_grad_()), x, create_graph=True)[0].sum().backward(),
    "hessian": lambda f, x: torch.func.hessian(f)(x),
    "forward over forward": lambda f, x: torch.func.jacfwd(torch.func.jacfwd(f))(x),
    "reverse over forward": lambda f, x: torch.func.jacrev(torch.func.jacfwd(f))(x),
}


@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives_are_refused(promoted: Path, way: str, strain) -> None:
    model = Model(promoted)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        SECOND[way](lambda x: model.forward({"strain": x})["stress"].sum(), strain)


@pytest.mark.slow
def test_torch_compile(law, strain) -> None:
    strain.requires_grad_()
    E = law._parameters["E"].requires_grad_()
    try:
        torch.compile(lambda x: (by_strain(law, x) ** 2).sum(), fullgraph=True)(strain).backward()
        stress = hooke(strain.detach())
        torch.testing.assert_close(strain.grad, hooke(2 * stress))
        torch.testing.assert_close(E.grad, 2 * (stress**2).sum() / E.detach())
    finally:
        E.grad = None
        E.requires_grad_(False)
    mapped = torch.compile(lambda x: torch.func.vmap(lambda y: by_strain(law, y).sin())(x), fullgraph=True)
    torch.testing.assert_close(mapped(strain.detach()), hooke(strain.detach()).sin())


def test_the_graph_keeps_the_model(promoted: Path, strain) -> None:
    model = Model(promoted)
    stress = model.forward({"strain": strain.requires_grad_()})["stress"]
    del model
    gc.collect()
    stress.sum().backward()
    torch.testing.assert_close(strain.grad, hooke(torch.ones(POINTS, 6, dtype=F64)))

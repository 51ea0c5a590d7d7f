# SPDX-License-Identifier: MIT
"""Parameters that every point has its own value of, in implicit updates where points converge one after another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_inputs import PERZYNA, load

from neml2.types import SR2, Scalar

F64 = torch.float64
SEARCH = ("Solvers/newton/type:=NewtonWithLineSearch",)
CUT = (
    "Solvers/newton/max_its:=9",
    "Solvers/newton/abs_tol=1e-12",
    "Models/update/max_substepping_level=4",
    "Models/update/incremental_variables='strain'",
)
OWN = "[Tensors]\n[own]\ntype = Python\nexpr = '{}'\n[]\n[]\n"


def update(values, *overrides, sites=0):
    """With a yield stress from a [Tensors] block, which lies two models deep."""
    text = f"Scalar(torch.tensor({values.tolist()}, dtype=torch.float64), sub_batch_ndim={sites})"
    source = load(PERZYNA + OWN.format(text), "Models/yield_surface/yield_stress:=own", *overrides)
    return source.get_model("update")


def solved(model, strain, dt=10.0, sites=0):
    """Plastic strain after a step from rest; sites: trailing batch axes of `strain` that belong to one point."""
    zero = torch.zeros(6, dtype=F64)
    state = {
        "strain": SR2(strain, sub_batch_ndim=sites),
        "strain~1": SR2(zero),
        "t": Scalar(torch.tensor(dt, dtype=F64)),
        "t~1": Scalar(torch.tensor(0.0, dtype=F64)),
        "plastic_strain~1": SR2(torch.zeros_like(strain), sub_batch_ndim=sites) if sites else SR2(zero),
        "equivalent_plastic_strain~1": Scalar(torch.zeros(strain.shape[:-1], dtype=F64), sub_batch_ndim=sites)
        if sites
        else Scalar(torch.tensor(0.0, dtype=F64)),
    }
    return model.evaluate(state)["plastic_strain"].data


def strains(*batch):
    """From elastic to far beyond: the points need from none to many iterations."""
    direction = torch.tensor([1.0, -0.5, -0.5, 0.0, 0.3, 0.0], dtype=F64)
    count = int(torch.tensor(batch).prod()) if batch else 1
    size = torch.logspace(-4, -2, count, dtype=F64) if batch else torch.tensor([3e-3], dtype=F64)
    return (size[:, None] * direction).reshape(*batch, 6)


def alone(values, strain, *overrides):
    """Every point by itself, with one number as its parameter."""
    batch = torch.broadcast_shapes(values.shape, strain.shape[:-1])
    values, strain = values.expand(batch).reshape(-1), strain.expand(*batch, 6).reshape(-1, 6)
    with torch.no_grad():
        found = [solved(update(v, *overrides), x) for v, x in zip(values, strain, strict=True)]
    return torch.stack(found).reshape(*batch, 6)


SHAPES = [
    ((4,), (4,)),
    ((1,), (4,)),
    ((1, 1), (2, 2)),
    ((2, 1), (2, 2)),
    ((3, 1), (4,)),
    ((2, 1, 2), (3, 1)),
    ((4,), ()),
]


@pytest.mark.parametrize("overrides", [(), SEARCH, CUT], ids=["newton", "line search", "cut"])
@pytest.mark.parametrize(("shape", "batch"), SHAPES, ids=str)
def test_a_batch_is_its_points(shape, batch, overrides):
    values = torch.linspace(40, 90, int(torch.tensor(shape).prod()), dtype=F64).reshape(shape)
    strain = strains(*batch)
    expected = alone(values, strain, *overrides)
    model = update(values, *overrides)
    with torch.no_grad():
        torch.testing.assert_close(solved(model, strain), expected, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(solved(model, strain), expected, rtol=1e-10, atol=1e-14)


@settings(max_examples=10, deadline=None)
@given(values=st.lists(st.floats(20, 200), min_size=2, max_size=6), seed=st.integers(0, 2**16))
def test_any_values(values, seed):
    values = torch.tensor(values, dtype=F64)
    strain = 5e-3 * torch.randn(len(values), 6, generator=torch.Generator().manual_seed(seed), dtype=F64)
    with torch.no_grad():
        together = solved(update(values), strain)
    torch.testing.assert_close(together, alone(values, strain), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("overrides", [(), CUT], ids=["newton", "cut"])
def test_derivatives_by_a_parameter_of_each_point(overrides):
    values, strain = torch.tensor([50.0, 60.0, 70.0, 80.0], dtype=F64), strains(4)
    model = update(values, *overrides)
    for _ in range(2):  # evaluating leaves the parameters where they are
        (parameter,) = [value for name, value in model.named_parameters() if name.endswith(".sy")]
        (gradient,) = torch.autograd.grad(solved(model, strain)[:, 0].sum(), parameter)
    h = 1e-4
    with torch.no_grad():
        ahead, behind = (solved(update(values + s * h, *overrides), strain)[:, 0] for s in (1, -1))
    torch.testing.assert_close(gradient, (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-12)


def test_parameters_stay_what_they_are():
    model = update(torch.tensor([50.0, 60.0, 70.0, 80.0], dtype=F64), *CUT)
    before = dict(model.named_parameters())
    for call in (torch.no_grad(), torch.enable_grad()):
        with call:
            solved(model, strains(4))
        assert all(value is before[name] for name, value in model.named_parameters())


@pytest.mark.parametrize("shape", [(4, 3), (4, 1), (1, 3)], ids=str)
def test_a_parameter_of_each_site(shape):
    """(points; sites), where every site is an unknown of its point."""
    values, strain = torch.linspace(40, 90, shape[0] * shape[1], dtype=F64).reshape(shape), strains(4, 3)
    with torch.no_grad():
        together = solved(update(values, sites=1), strain, sites=1)
    torch.testing.assert_close(together, alone(values, strain), rtol=1e-7, atol=1e-11)


def test_a_predictor_with_a_parameter_of_each_point():
    """The guess alone is batched: points start from parts of the strain, and end alike."""
    weights = OWN.format("Scalar(torch.tensor([0.0, 0.2, 0.5, 0.9], dtype=torch.float64))")
    constant = "type = ConstantExtrapolationPredictor\n    unknowns_SR2 = 'plastic_strain'\n"
    constant += "    unknowns_Scalar = 'equivalent_plastic_strain'"
    linear = "type = SR2LinearCombination\n    from = 'strain'\n    to = 'plastic_strain'\n    weights = 'own'"
    assert constant in PERZYNA
    model = load(PERZYNA.replace(constant, linear) + weights).get_model("update")
    zero, strain = Scalar(torch.tensor(0.0, dtype=F64)), strains(4)[2]
    old = {"plastic_strain~1": SR2(torch.zeros(6, dtype=F64)), "equivalent_plastic_strain~1": zero, "t~1": zero}
    with torch.no_grad():
        expected = solved(update(torch.tensor(50.0, dtype=F64)), strain)
        state = {"strain": SR2(strain), "t": Scalar(10.0), "equivalent_plastic_strain": zero, **old}
        found = model.evaluate(state)["plastic_strain"].data
    torch.testing.assert_close(found, expected.expand(4, 6), rtol=1e-6, atol=1e-10)

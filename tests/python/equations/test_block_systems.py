# SPDX-License-Identifier: MIT
"""Systems of sites and common unknowns: the same answers as dense ones, by eliminating site by site."""

from __future__ import annotations

import pytest
import torch

from neml2.equations import ImplicitUpdate, NonlinearSystem
from neml2.equations.residual import Residual
from neml2.errors import InputError, InvalidModel
from neml2.solvers import GMRES, BiCGStab, ConvergenceError, DenseLU, Newton, SchurComplement
from neml2.types import Scalar, Vec, inner
from springs import Crowd, Springs

F64 = torch.float64


def update(unknowns, structure=(), solver=None, model=Springs, **options):
    groups = [row.split() for row in unknowns.split(";")]
    system = NonlinearSystem("eq", model=model("m"), unknowns=groups, structure=list(structure))
    return ImplicitUpdate("u", equation_system=system, solver=Newton(linear_solver=solver or DenseLU()), **options)


def schur(primary=0, inner_solver=None):
    solver = inner_solver or DenseLU()
    groups = {"residual_primary_group": primary, "unknown_primary_group": primary}
    return SchurComplement(primary_solver=solver, schur_solver=solver, **groups)


def state(G=4, batch=(3,), seed=0):
    g = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, dtype=F64, generator=g)

    return {
        "x": Vec(torch.zeros(G, 3, dtype=F64), sub_batch_ndim=1),
        "y": Vec(torch.zeros(3, dtype=F64)),
        "p": Scalar(rand(*batch, G), sub_batch_ndim=1),
        "f": Vec(rand(*batch, 3)),
    }


DENSE = ("x y", ["dense"])


@pytest.mark.parametrize(
    "unknowns, structure, solver",
    [
        ("x; y", ["block", "dense"], schur()),
        ("y; x", ["dense", "block"], schur()),
        ("y; x", ["dense", "block"], schur(primary=1)),
        ("x; y", ["dense", "dense"], schur()),
        ("x; y", ["block", "dense"], schur(inner_solver=GMRES(rel_tol=1e-12))),
        ("x; y", ["block", "dense"], schur(inner_solver=BiCGStab(rel_tol=1e-12))),
    ],
)
@pytest.mark.parametrize("batch", [(), (3,), (2, 1)])
def test_solution_and_derivatives_are_those_of_the_dense_system(unknowns, structure, solver, batch):
    dense, block = update(*DENSE), update(unknowns, structure, solver)
    inputs = state(batch=batch)
    expected, slopes = dense.jacobian(inputs)
    found, blocks = block.jacobian(inputs)
    for name in ("x", "y"):
        torch.testing.assert_close(found[name].data, expected[name].data, rtol=1e-9, atol=1e-11)
        for to in ("p", "f"):
            torch.testing.assert_close(blocks[name][to], slopes[name][to], rtol=1e-8, atol=1e-10)


def test_reverse_mode_agrees_with_forward_mode():
    block = update("x; y", ["block", "dense"], schur())
    inputs = state(batch=())

    def solve(p, f):
        given = {**inputs, "p": Scalar(p, sub_batch_ndim=1), "f": Vec(f)}
        values = block.evaluate(given)
        return values["x"].data, values["y"].data

    data = (inputs["p"].data, inputs["f"].data)
    forward = torch.func.jacfwd(solve, argnums=(0, 1))(*data)
    reverse = torch.autograd.functional.jacobian(solve, data)
    for rows, columns in zip(forward, reverse, strict=True):
        for a, b in zip(rows, columns, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    p = data[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: solve(p, data[1])[0], (p,))


def test_one_group_of_sites_is_solved_site_by_site():
    sites = update("x", ["block"])
    inputs = state()
    inputs["y"] = Vec(torch.full((3, 3), 0.7, dtype=F64))
    (found,) = sites.evaluate(inputs).values()
    residual = found + inputs["p"] * inner(found, found) * found - inputs["y"]
    assert residual.data.abs().max() < 1e-9
    (dense,) = update("x").evaluate(inputs).values()
    torch.testing.assert_close(found.data, dense.data, rtol=1e-10, atol=1e-12)


def test_work_grows_no_faster_than_the_sites(monkeypatch):
    """Nothing of the size of the square of the sites is ever built."""
    largest = []
    original = Residual._pushed

    def watch(self, u, values, basis):
        largest.append(basis.numel())
        return original(self, u, values, basis)

    monkeypatch.setattr(Residual, "_pushed", watch)
    monkeypatch.setattr(Residual, "with_jacobian", lambda *_: pytest.fail("a dense Jacobian was assembled"))
    block = update("x; y", ["block", "dense"], schur())
    for G in (50, 500):
        largest.clear()
        inputs = state(G=G, batch=())
        p = inputs["p"].data.requires_grad_()
        values = block.evaluate(inputs)
        values["y"].data.sum().backward()
        assert p.grad.shape == (G,) and max(largest) == 7 * (3 * G + 3)


def test_sites_that_are_coupled_are_refused():
    with pytest.raises(InvalidModel, match=r"depend on the unknowns of other sites; .* 'dense', not 'block'"):
        update("x; y", ["block", "dense"], schur(), model=Crowd).evaluate(state())
    update("x; y", ["dense", "dense"], schur(), model=Crowd).evaluate(state())


def test_a_singular_site_fails_its_point():
    inputs = state(batch=(2,))
    inputs["p"] = Scalar(torch.tensor([[0.1] * 4, [0.1, 0.1, -1 / 3, 0.1]], dtype=F64), sub_batch_ndim=1)
    x = torch.zeros(2, 4, 3, dtype=F64)
    x[1, 2, 0] = 1.0  # where 1 + 3 p x^2 = 0
    inputs["x"] = Vec(x, sub_batch_ndim=1)
    with pytest.raises(ConvergenceError) as caught:
        update("x; y", ["block", "dense"], schur()).evaluate(inputs)
    assert [(point.index, point.reason) for point in caught.value.points] == [(1, "singular Jacobian")]


def test_a_guess_that_solves_keeps_the_batch_of_its_group():
    inputs = {name: value._make(0.0 * value.data, value.sub_batch_ndim) for name, value in state().items()}
    inputs["y"] = Vec(torch.zeros(1, 3, dtype=F64))
    with torch.no_grad():
        values = update("x; y", ["block", "dense"], schur()).evaluate(inputs)
    assert values["x"].data.shape == (4, 3) and values["y"].data.shape == (1, 3)


class TestRefusals:
    def complaint(self, *args, **options):
        with pytest.raises(InputError) as caught:
            update(*args, **options)
        return str(caught.value)

    def test_groups_and_solvers_must_fit(self):
        assert "2 groups of unknowns; DenseLU takes one, SchurComplement two" in self.complaint("x; y")
        assert "1 group of unknowns; SchurComplement takes two" in self.complaint("x y", solver=schur())
        assert "GMRES takes dense groups" in self.complaint("x", ["block"], GMRES())

    def test_a_schur_complement_needs_solvers_of_one_group(self):
        with pytest.raises(ValueError, match="a SchurComplement solves no single group"):
            SchurComplement(primary_solver=schur(), schur_solver=DenseLU())
        with pytest.raises(ValueError, match="2 is neither 0 nor 1"):
            schur(primary=2)

    def test_block_groups_have_one_shape(self):
        inputs = state()
        with pytest.raises(InvalidModel, match="must share one sub-batch shape; 'x' has \\(4,\\), 'y' \\(\\)"):
            update("x y", ["block"]).evaluate(inputs)

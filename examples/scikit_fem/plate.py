# SPDX-License-Identifier: MIT
"""The plate of examples/fe in Python, with scikit-fem: a hole, cyclic load, viscoplasticity, steps that are cut."""

import argparse

import numpy as np
import torch
from scipy.sparse.linalg import spsolve
from skfem import Basis, BilinearForm, ElementHex1, ElementVector, FacetBasis, LinearForm, MeshHex, condense

from neml2.aoti import ConvergenceError, load_model

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("stub", help="of the compiled examples/fe/plate.i")
parser.add_argument("--mesh", type=int, nargs=3, default=(6, 8, 2), help="elements: radial, angular (even), layers")
parser.add_argument("--amplitude", type=float, default=120, help="of the traction (MPa)")
parser.add_argument("--dt", type=float, default=2.5, help="longest step (s)")
options = parser.parse_args()
radius, width, thickness, period = 5, 20, 2, 40

# A brick, bent around the hole: from the hole outwards, from the x to the y axis, up.
mesh = MeshHex.init_tensor(*(np.linspace(0, 1, n + 1) for n in options.mesh))
angle, up = np.pi / 2 * mesh.p[1], thickness * mesh.p[2]
ray = np.stack([np.cos(angle), np.sin(angle)])
r = radius + (width / ray.max(axis=0) - radius) * mesh.p[0] ** 1.5
mesh = MeshHex(np.stack([*(r * ray), up]), mesh.t)
basis = Basis(mesh, ElementVector(ElementHex1()), intorder=2)  # 2 x 2 x 2 points
points = basis.nelems * basis.X.shape[-1]
planes = [basis.get_dofs(lambda x, c=c: np.isclose(x[c], 0, atol=1e-9)).all(f"u^{c + 1}") for c in range(3)]
fixed = np.unique(np.concatenate(planes))  # symmetry
free = basis.complement_dofs(fixed)


def mandel(gradient):
    """Strain xx yy zz, sqrt(2) times yz xz xy; stress alike. Then C_mn e_n is a product of matrices."""
    e = (gradient + np.swapaxes(gradient, 0, 1)) / 2
    return np.stack([e[0, 0], e[1, 1], e[2, 2], *(np.sqrt(2) * e[i, j] for i, j in ((1, 2), (0, 2), (0, 1)))])


internal = LinearForm(lambda v, w: np.einsum("m...,m...", w.stress, mandel(v.grad)))
tangent = BilinearForm(lambda u, v, w: np.einsum("mn...,m...,n...", w.C, mandel(v.grad), mandel(u.grad)))
edge = FacetBasis(mesh, basis.elem, facets=mesh.facets_satisfying(lambda x: np.isclose(x[1], width)), intorder=2)
load = LinearForm(lambda v, w: v[1]).assemble(edge)  # of the traction 1 MPa

model = load_model(options.stub, "model")
state = {name: torch.zeros(points, *shape, dtype=torch.float64) for name, shape in model.input_base_shapes.items()}


def solve(u, time, traction):
    """Newton's method for the displacements. Returns them and the new state. Throws ConvergenceError."""
    norms = []
    for _ in range(12):
        strain = mandel(basis.interpolate(u).grad).reshape(6, points).T
        forces = {"strain": torch.tensor(strain), "t": torch.full((points,), time, dtype=torch.float64)}
        outputs, J = model.jacobian(state | forces)  # all points in one call
        fields = {"stress": outputs["stress"], "C": J["stress"]["strain"]}
        fields = {k: v.movedim(0, -1).numpy().reshape(*v.shape[1:], basis.nelems, -1) for k, v in fields.items()}
        residual = internal.assemble(basis, stress=fields["stress"]) - traction * load
        residual[fixed] = 0
        norms.append(np.linalg.norm(residual))
        if norms[-1] < max(1e-9, 1e-11 * norms[0]):
            print(f"t {time:8.4f} s  {traction:7.2f} MPa  |r|", *(f"{norm:.1e}" for norm in norms))
            return u, {f"{name}~1": value for name, value in (outputs | forces).items()}
        K = condense(tangent.assemble(basis, C=fields["C"]), D=fixed, expand=False)
        u = u.copy()
        u[free] -= spsolve(K.tocsc(), residual[free])
    raise ConvergenceError("no equilibrium")


u, time, dt = basis.zeros(), 0.0, options.dt
turns = period / 4 * np.arange(6), options.amplitude * np.array([0, 1, 0, -1, 0, 1])
for end in turns[0][1:]:
    while time < end:
        target = end if time + 1.001 * dt >= end else time + dt
        try:
            u, state = solve(u, target, np.interp(target, *turns))
            time, dt = target, min(2 * dt, options.dt)
        except ConvergenceError as error:
            print(f"t {target:8.4f} s  cut: {str(error).splitlines()[0]}")
            dt = (target - time) / 2
            if dt < 1e-6 * options.dt:
                raise
plastic = state["equivalent_plastic_strain~1"].max().item()
print(f"largest displacement {abs(u).max():.12e} mm, equivalent plastic strain {plastic:.12e}")

# SPDX-License-Identifier: MIT
"""Pulls single crystals along five directions, and draws their curves, and where the axis goes in the crystals.

    neml2-compile tension.i --model model --backend native
    python tension.py aoti/model_aoti.i

The crystals are pulled along x; the other stresses are zero. The grips keep the axis where it is, so the vorticity is
that which cancels yx and zx of the velocity gradient: it follows the rate of deformation of the step before.
"""

import argparse
import math

import matplotlib.pyplot as plt
import torch

from neml2.aoti import load_model
from neml2.crystal import crystal_directions, plot_inverse_pole_figure, project
from neml2.types import MRP, Quaternion

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("stub", help="of the compiled tension.i")
parser.add_argument("--steps", type=int, default=600)
parser.add_argument("--strain", type=float, default=0.3, help="logarithmic")
parser.add_argument("--picture", default="tension.png")
options = parser.parse_args()

axes = {"001": [0, 0, 1], "011": [0, 1, 1], "111": [1, 1, 1], "012": [0, 1, 2], "125": [1, 2, 5]}


def turned_to_x(direction):
    """The orientation in which a direction of the crystal is x of the laboratory."""
    d = torch.tensor(direction, dtype=torch.float64)
    x = torch.tensor([1, 0, 0], dtype=torch.float64)
    d = d / d.norm()
    q = torch.cat([(1 + d @ x).reshape(1), torch.linalg.cross(d, x)])
    return MRP.from_quaternion(Quaternion(q / q.norm())).data


model = load_model(options.stub, "model")
n, rate = len(axes), 1e-3
dt = options.strain / rate / options.steps
state = {name: torch.zeros(n, *shape, dtype=torch.float64) for name, shape in model.input_base_shapes.items()}
state["control"][:, 0] = 1
state["prescribed"][:, 0] = rate
state["orientation~1"] = torch.stack([turned_to_x(axis) for axis in axes.values()])
state["deformation_rate~1"] += rate * torch.tensor([1, -0.5, -0.5, 0, 0, 0])
orientations, stresses = [state["orientation~1"]], [torch.zeros(n)]
for _ in range(options.steps):
    d = state["deformation_rate~1"]
    state["vorticity"] = torch.stack([0 * d[:, 0], d[:, 4], -d[:, 5]], -1) / math.sqrt(2)
    state["t"] = state["t~1"] + dt
    new = model.forward(state)
    state |= {f"{name}~1": value for name, value in new.items() if f"{name}~1" in state} | {"t~1": state["t"]}
    orientations.append(new["orientation"])
    stresses.append(new["stress"][:, 0])
strains = torch.linspace(0, options.strain, options.steps + 1)
orientations, stresses = torch.stack(orientations, 1), torch.stack(stresses, 1)
for name, curve in zip(axes, stresses, strict=True):
    print(f"[{name}]  {curve[options.steps // 20]:6.1f} MPa at {options.strain / 20:.3f}, {curve[-1]:6.1f} at the end")

plt.switch_backend("Agg")  # pictures only, no window
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for k, (name, curve) in enumerate(zip(axes, stresses, strict=True)):
    left.plot(strains, curve, label=f"[{name}]")
    plot_inverse_pole_figure(MRP(orientations[k]), (1, 0, 0), "m-3m", ax=right, color=f"C{k}")
    x, y = project(crystal_directions(MRP(orientations[k, :1]), (1, 0, 0), "m-3m"))[0]
    right.plot(x, y, "o", color=f"C{k}", markersize=8)
left.set(xlabel="logarithmic strain", ylabel="true stress (MPa)", xlim=(0, options.strain), ylim=(0, None))
left.legend()
right.set_title("axis of tension in the crystal; dots: at the start")
figure.savefig(options.picture, dpi=150)
torch.save({"orientations": orientations, "stresses": stresses}, options.picture.removesuffix(".png") + ".pt")

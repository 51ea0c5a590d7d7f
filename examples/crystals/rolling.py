# SPDX-License-Identifier: MIT
"""Rolls a polycrystal to half its thickness, and draws its pole figure before and after.

    neml2-compile rolling.i --model model --backend native
    python rolling.py aoti/model_aoti.i

All grains deform as the whole does (G. I. Taylor, Plastic strain in metals, J. Inst. Metals 62, 1938): each is a point
of one batch. x is the rolling direction, z the normal of the sheet.
"""

import argparse
import math
import time

import matplotlib.pyplot as plt
import torch

from neml2.aoti import load_model
from neml2.crystal import Lattice, plot_pole_figure, random_texture
from neml2.types import MRP

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("stub", help="of the compiled rolling.i")
parser.add_argument("--grains", type=int, default=500)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--reduction", type=float, default=0.5, help="of the thickness")
parser.add_argument("--picture", default="rolling.png")
options = parser.parse_args()

model = load_model(options.stub, "model")
n, rate, strain = options.grains, 1e-3, -math.log(1 - options.reduction)
dt = strain / rate / options.steps
state = {name: torch.zeros(n, *shape, dtype=torch.float64) for name, shape in model.input_base_shapes.items()}
state["deformation_rate"] += rate * torch.tensor([1, 0, -1, 0, 0, 0])
start = state["orientation~1"] = random_texture(n, seed=1).data
pressure = []
begin = time.perf_counter()
for _ in range(options.steps):
    state["t"] = state["t~1"] + dt
    new = model.forward(state)
    state |= {f"{name}~1": value for name, value in new.items() if f"{name}~1" in state} | {"t~1": state["t"]}
    stress = new["stress"].mean(0)
    pressure.append(float(stress[0] - stress[2]))
seconds = time.perf_counter() - begin
print(
    f"{n} grains, {options.steps} steps: {seconds:.2f} s;",
    f"sigma_xx - sigma_zz {pressure[0]:.1f} -> {pressure[-1]:.1f} MPa",
)

plt.switch_backend("Agg")  # pictures only, no window
figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
levels = [0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5]
for panel, orientations, when in zip(panels, (start, new["orientation"]), ("before", "after"), strict=True):
    plot_pole_figure(MRP(orientations), (1, 1, 1), Lattice.cubic(3.615), contours=True, ax=panel, levels=levels)
    panel.set_title(f"{{111}} {when} rolling by {options.reduction:.0%}", pad=16)
figure.savefig(options.picture, dpi=150)
torch.save({"before": start, "after": new["orientation"]}, options.picture.removesuffix(".png") + ".pt")

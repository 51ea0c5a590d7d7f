# SPDX-License-Identifier: MIT
"""Draws the plastic strain on the outer face, and the load over the displacement: `plot.py FOLDER PNG`."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PolyCollection

folder, png = Path(sys.argv[1]), sys.argv[2]
last = ElementTree.parse(max(folder.glob("*.pvtu")))
faces, values = [], []
for piece in (ElementTree.parse(folder / str(entry.get("Source"))) for entry in last.iter("Piece")):
    arrays = {a.get("Name"): np.array((a.text or "").split(), float) for a in piece.iter("DataArray")}
    position, displacement = (arrays[name].reshape(-1, 3) for name in ("position", "displacement"))
    above = arrays["connectivity"].astype(int).reshape(-1, 8)[:, 4:]  # the four nodes at larger z
    faces.append(np.concatenate([position[above], displacement[above]], axis=-1))
    values.append(arrays["plastic_strain"])
nodes, strain = np.concatenate(faces), np.concatenate(values)
outer = np.isclose(nodes[:, 0, 2], nodes[..., 2].max())
nodes, strain = nodes[outer], strain[outer]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
scale = 0.05 * nodes[..., 0].max() / abs(nodes[..., 3:]).max()
moved = nodes[..., :2] + scale * nodes[..., 3:5]
mirrored = [moved * (x, y) for x in (1, -1) for y in (1, -1)]
polygons = PolyCollection(np.concatenate(mirrored), array=np.tile(100 * strain, 4), edgecolors="face", cmap="viridis")
left.add_collection(polygons)
left.autoscale()
left.set(aspect="equal", xlabel="x (mm)", ylabel="y (mm)", title=f"plastic strain, displacements {scale:.0f} times")
figure.colorbar(polygons, ax=left, label="equivalent plastic strain (%)")

_, traction, mean = np.loadtxt(folder / "history.csv", delimiter=",", unpack=True)
right.plot(np.insert(mean, 0, 0) * 1e3, np.insert(traction, 0, 0), ".-")
right.set(xlabel="mean displacement of the edge (µm)", ylabel="traction (MPa)", title="load")
right.grid(alpha=0.3)
figure.savefig(png, dpi=100)

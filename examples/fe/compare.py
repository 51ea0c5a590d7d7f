# SPDX-License-Identifier: MIT
"""Compares the displacements of two runs: `compare.py FOLDER FOLDER`. They are equal to 1e-10 of the largest."""

import sys
from pathlib import Path

import numpy as np

one, other = (np.fromfile(Path(folder) / "displacement.bin", ">f8", offset=8) for folder in sys.argv[1:])
difference = abs(one - other).max() / abs(one).max()
print(f"{sys.argv[1]} and {sys.argv[2]}: largest difference {difference:.1e} of the largest displacement")
sys.exit(not difference < 1e-10)

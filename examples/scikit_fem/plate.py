# SPDX-License-Identifier: MIT
"""A plate with a hole under cyclic load, as in examples/fe, in Python with scikit-fem: `plate.py STUB`.

The material is a compiled package with the inputs strain and t, the output stress and the derivative stress:strain.
"""

import argparse

import neml2.aoti
import numpy as np
import torch
from scipy.sparse.linalg import spsolve
from skfem import Basis, BilinearForm, ElementHex1, ElementVector, FacetBasis, LinearForm, MeshHex, solve, condense

parser = argparse.ArgumentParser(description=__doc__)

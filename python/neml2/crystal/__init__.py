# SPDX-License-Identifier: MIT
"""Crystallography: symmetry, lattices and slip systems, orientations and textures, pole figures.

Orientations are modified Rodrigues parameters (neml2.types.MRP) of the rotation from crystal to laboratory axes, as
models take them. Functions of many orientations take and return typed values or float64 tensors.
"""

from __future__ import annotations

from .euler import CONVENTIONS, from_euler, quaternion_from_euler, to_euler
from .lattice import Lattice, direction_from_bravais, plane_from_bravais
from .misorientation import (
    conjugate,
    disorientation,
    disorientation_angle,
    equivalents,
    fundamental,
    misorientation,
    multiply,
)
from .pole_figures import (
    crystal_directions,
    density,
    into_sector,
    plot_inverse_pole_figure,
    plot_pole_figure,
    poles,
    project,
)
from .slip import CUBIC_FAMILIES, HEXAGONAL_FAMILIES, SlipSystems, bravais_families, hexagonal_families, slip_systems
from .symmetry import LAUE_CLASSES, symmetry_operators
from .texture import random_texture, uniform_texture

__all__ = [
    "CONVENTIONS",
    "CUBIC_FAMILIES",
    "HEXAGONAL_FAMILIES",
    "LAUE_CLASSES",
    "Lattice",
    "SlipSystems",
    "bravais_families",
    "conjugate",
    "crystal_directions",
    "density",
    "direction_from_bravais",
    "disorientation",
    "disorientation_angle",
    "equivalents",
    "from_euler",
    "fundamental",
    "hexagonal_families",
    "into_sector",
    "misorientation",
    "multiply",
    "plane_from_bravais",
    "plot_inverse_pole_figure",
    "plot_pole_figure",
    "poles",
    "project",
    "quaternion_from_euler",
    "random_texture",
    "slip_systems",
    "symmetry_operators",
    "to_euler",
    "uniform_texture",
]

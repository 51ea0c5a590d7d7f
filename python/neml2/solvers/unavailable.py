# SPDX-License-Identifier: MIT
"""Types of [Solvers] that exist in input files but not here: asking for one says so by name."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import InvalidOption
from ..hit import HitObject, register

NAMES = (
    "SchurComplement",
    "GMRES",
    "BiCGStab",
    "NoPreconditioner",
    "JacobiPreconditioner",
    "BlockJacobiPreconditioner",
    "FullPreconditioner",
)


class UnavailableSolver(HitObject):
    """Not available in this version; use DenseLU."""

    SECTION = "Solvers"
    STRICT = False
    AVAILABLE = False

    @classmethod
    def from_block(cls, block: Any, source: Any) -> NoReturn:
        text = f"{cls.__name__} is not available in this version; use 'type = DenseLU'"
        raise InvalidOption(text, block.require("type").where)

    def setup(self) -> None:
        raise InvalidOption(f"{type(self).__name__} is not available in this version; use DenseLU")


for _name in NAMES:
    register(_name)(type(_name, (UnavailableSolver,), {"__module__": __name__}))

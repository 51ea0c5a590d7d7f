# SPDX-License-Identifier: MIT
"""Compiled packages that several files of these tests load."""

from __future__ import annotations

from pathlib import Path

import pytest
from elasticity import COMBINATION, DERIVATIVES
from implicit_cases import ISOHARDEN, ISOHARDEN_FLAGS

from input_texts import ELASTICITY
from support import Compile, metadata


@pytest.fixture(scope="session")
def promoted_stub(compiled: Compile) -> Path:
    """Stub of elasticity with stress:strain, stress:E and promoted E."""
    return compiled(ELASTICITY, "elasticity", *DERIVATIVES)


@pytest.fixture(scope="session")
def promoted(promoted_stub: Path) -> Path:
    """Metadata of the package of `promoted_stub`."""
    return metadata(promoted_stub)


@pytest.fixture(scope="session")
def combination(compiled: Compile) -> Path:
    """Metadata of the combination with all derivatives."""
    return metadata(compiled(COMBINATION, "combination", "-d", ":"))


@pytest.fixture(scope="session")
def isoharden_stub(compiled: Compile) -> Path:
    """Stub of viscoplasticity with hardening, with all derivatives and two promoted parameters."""
    return compiled(ISOHARDEN, "model", *ISOHARDEN_FLAGS)

# SPDX-License-Identifier: MIT
"""Models that nobody keeps leave nothing behind that grows: no files, no mappings."""

import subprocess
import sys

import pytest
from elasticity import DERIVATIVES

from input_texts import ELASTICITY
from support import Compile, metadata

LOAD_OFTEN = """
import os, sys, torch
from neml2.aoti import Model

def held():
    with open("/proc/self/maps") as maps:
        return len(os.listdir("/proc/self/fd")), sum(sys.argv[2] in line or "memfd:neml2" in line for line in maps)

def use():
    model = Model(sys.argv[1])
    assert model.forward({"strain": torch.zeros(3, 6, dtype=torch.float64)})["stress"].shape == (3, 6)

use()
before = held()
for _ in range(30):
    use()
print(*before, *held())
"""


@pytest.mark.parametrize("unpack", [False, True], ids=["in memory", "in a folder"])
@pytest.mark.parametrize("backend", ["aoti", "native"])
def test_loading_often_holds_no_more_than_loading_once(compiled: Compile, tmp_path, backend: str, unpack: bool) -> None:
    package = metadata(compiled(ELASTICITY, "elasticity", *DERIVATIVES, "--backend", backend))
    run = subprocess.run(
        [sys.executable, "-c", LOAD_OFTEN, str(package), str(tmp_path)],
        env={"NEML2_UNPACK_DIR": str(tmp_path) if unpack else "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    files_before, maps_before, files, maps = map(int, run.stdout.split())
    assert (files, maps) == (files_before, maps_before)

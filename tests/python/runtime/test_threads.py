# SPDX-License-Identifier: MIT
"""A large batch is split over torch's threads, and the split leaves no trace in the results."""

import os
import subprocess
import sys

import pytest
import torch
from elasticity import DERIVATIVES

import neml2
from input_texts import ELASTICITY
from support import Compile

COUNT_THREADS = """
import os, sys, torch, neml2
torch.set_num_threads(2)
model = neml2.aoti.load_model(sys.argv[1], "elasticity")
strain = torch.ones(1, 6, dtype=torch.float64).expand(200_000, 6)
model.forward({"strain": strain[:1]})
before = len(os.listdir("/proc/self/task"))
model.forward({"strain": strain})
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.parametrize("backend", ["aoti", "native"])
def test_a_large_batch_runs_on_several_threads(compiled: Compile, backend: str) -> None:
    stub = compiled(ELASTICITY, "elasticity", *DERIVATIVES, "--backend", backend)
    run = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS, str(stub)],
        env={k: v for k, v in os.environ.items() if not k.startswith("OMP_")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == 1


@pytest.mark.parametrize("backend", ["aoti", "native"])
def test_results_do_not_depend_on_the_number_of_threads(compiled: Compile, backend: str) -> None:
    stub = compiled(ELASTICITY, "elasticity", *DERIVATIVES, "--backend", backend)
    model = neml2.aoti.load_model(stub, "elasticity")
    strain = torch.rand(100_003, 6, dtype=torch.float64)
    before = torch.get_num_threads()
    stress = {}
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            stress[threads] = model.forward({"strain": strain})["stress"]
    finally:
        torch.set_num_threads(before)
    assert torch.equal(stress[1], stress[2])
    assert torch.equal(stress[1], stress[3])

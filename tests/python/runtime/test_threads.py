# SPDX-License-Identifier: MIT
"""A large batch is split over torch's threads, and the split leaves no trace in the results."""

import os
import subprocess
import sys
import threading

import pytest
import torch
from elasticity import DERIVATIVES, hooke

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


@pytest.mark.parametrize("backend", ["aoti", "native"])
def test_a_parameter_can_be_set_while_others_call(compiled: Compile, backend: str) -> None:
    """Setting does not wait for a moment without calls, and a call has one value from its beginning to its end."""
    stub = compiled(ELASTICITY, "elasticity", *DERIVATIVES, "--backend", backend)
    model = neml2.aoti.load_model(stub, "elasticity")
    strain = torch.rand(64, 6, dtype=torch.float64)
    stop, wrong = threading.Event(), []

    def call() -> None:
        while not stop.is_set():
            stress = model.forward({"strain": strain})["stress"]
            E = (stress / hooke(strain, 1.0)).mean()
            if not torch.allclose(stress, hooke(strain, E), rtol=1e-9):
                wrong.append(E)

    callers = [threading.Thread(target=call, daemon=True) for _ in range(8)]
    for thread in callers:
        thread.start()
    setter = threading.Thread(
        target=lambda: [model.set_parameter("E", torch.tensor(1e3 * k, dtype=torch.float64)) for k in range(1, 200)],
        daemon=True,
    )
    setter.start()
    setter.join(timeout=60)
    waits = setter.is_alive()
    stop.set()
    for thread in callers:
        thread.join(timeout=60)
    assert not waits and not wrong
    assert float(model.named_parameters()["E"]) == 199e3

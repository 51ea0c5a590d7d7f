# SPDX-License-Identifier: MIT
"""`neml2.aoti.Model`: physics, derivatives, shapes, and memory shared with the caller."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from elasticity import hooke
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.aoti import Model, load_model

FLOAT64 = {"dtype": torch.float64}
BATCHES = [(), (0,), (1,), (2,), (2, 3), (17,), (3, 0, 2), (5000,)]


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(
        actual, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max() if expected.numel() else 1)
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_stress_and_derivatives(promoted: Path, batch: tuple[int, ...]) -> None:
    model = Model(promoted)
    strain, tangent = torch.randn(*batch, 6, **FLOAT64), torch.randn(*batch, 6, **FLOAT64)
    close(model.forward({"strain": strain})["stress"], hooke(strain))
    outputs, jacobian = model.jacobian({"strain": strain})
    close(outputs["stress"], hooke(strain))
    close(jacobian["stress"]["strain"], hooke(torch.eye(6, **FLOAT64)))
    close(jacobian["stress"]["E"], hooke(strain) / 200e3)
    outputs, products = model.jvp({"strain": strain}, {"strain": tangent})
    close(outputs["stress"], hooke(strain))
    close(products["stress"], hooke(tangent))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_shapes_that_broadcast(combination: Path, data: st.DataObject) -> None:
    common = data.draw(st.lists(st.integers(0, 4), max_size=3))

    def some() -> torch.Tensor:
        kept = data.draw(st.lists(st.booleans(), min_size=len(common), max_size=len(common)))
        batch = [n if k else 1 for n, k in zip(common, kept, strict=True)]
        return torch.randn(*batch[data.draw(st.integers(0, len(batch))) :], 6, **FLOAT64)

    a, b = some(), some()
    close(Model(combination).forward({"a": a, "b": b})["to"], 2 * a - 3 * b)


def test_describes_itself(promoted: Path, combination: Path) -> None:
    model = Model(promoted)
    assert model.name == "elasticity"
    assert (model.input_names, model.output_names) == (["strain"], ["stress"])
    assert (model.input_base_shapes, model.output_base_shapes) == ({"strain": (6,)}, {"stress": (6,)})
    assert (model.device, model.dtype) == (torch.device("cpu"), torch.float64)
    assert sorted(model.derivative_pairs) == [("stress", "E"), ("stress", "strain")]
    assert Model(combination).input_names == ["a", "b"]
    assert len(Model(combination).named_parameters()) == 0


def test_load_model_reads_the_stub(promoted_stub: Path) -> None:
    strain = torch.randn(3, 6, **FLOAT64)
    close(load_model(promoted_stub, "elasticity").forward({"strain": strain})["stress"], hooke(strain))


def test_parameters_are_shared(promoted: Path) -> None:
    model = Model(promoted)
    strain = torch.randn(3, 6, **FLOAT64)
    parameters = model.named_parameters()
    assert list(parameters) == ["E"] and "E" in parameters and "nu" not in parameters and 3 not in parameters
    assert parameters["E"] is model.named_parameters()["E"]
    model.named_parameters()["E"].fill_(100e3)
    close(model.forward({"strain": strain})["stress"], hooke(strain, 100e3))
    replacement = torch.tensor([[50e3], [70e3]], **FLOAT64)
    model.set_parameter("E", replacement)
    assert model.named_parameters()["E"].data_ptr() == replacement.data_ptr()
    close(model.forward({"strain": strain})["stress"][1], hooke(strain, 70e3))
    replacement.fill_(60e3)
    close(model.forward({"strain": strain})["stress"][0], hooke(strain, 60e3))
    parameters["E"] = torch.tensor(10e3, **FLOAT64)  # assignment reaches the model
    close(model.forward({"strain": strain})["stress"], hooke(strain, 10e3))
    assert dict(parameters.items()).keys() == {"E"}


def test_into_writes_to_the_callers_memory(promoted: Path) -> None:
    model = Model(promoted)
    strain, stress = torch.randn(100, 6, **FLOAT64), np.full((100, 6), np.nan)
    model.forward_into({"strain": strain}, {"stress": stress})
    close(torch.from_numpy(stress), hooke(strain))
    block, product = torch.empty(6, 6, **FLOAT64), torch.empty(100, 6, **FLOAT64)
    model.jacobian_into({"strain": strain}, {}, {"stress": {"strain": block}})
    close(block, hooke(torch.eye(6, **FLOAT64)))
    model.jvp_into({"strain": strain}, {"strain": strain}, {}, {"stress": product})
    close(product, hooke(strain))


def test_arrays_of_others_are_not_copied(promoted: Path) -> None:
    """Peak memory is that of the output alone: a copy of the input would show."""
    model = Model(promoted)
    strain = np.random.default_rng(0).normal(size=(4, 6))
    close(model.forward({"strain": strain})["stress"], hooke(torch.from_numpy(strain)))
    fixed = strain.copy()
    fixed.flags.writeable = False
    close(model.forward({"strain": fixed})["stress"], hooke(torch.from_numpy(strain)))
    model.forward_into({"strain": torch.from_numpy(strain)}, {"stress": strain})  # in place, through two views
    fixed_stress = hooke(torch.from_numpy(fixed.copy()))
    close(torch.from_numpy(strain), fixed_stress)


def test_what_speaks_dlpack_is_shared(promoted: Path) -> None:
    class Foreign:
        """An array of another library."""

        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor

        def __dlpack__(self, **options: object) -> object:
            return self.tensor.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return self.tensor.__dlpack_device__()

    strain, stress = torch.randn(7, 6, **FLOAT64), torch.zeros(7, 6, **FLOAT64)
    Model(promoted).forward_into({"strain": Foreign(strain)}, {"stress": Foreign(stress)})
    close(stress, hooke(strain))


def test_other_python_threads_run_meanwhile(promoted: Path) -> None:
    model = Model(promoted)
    strain, stress = torch.randn(2_000_000, 6, **FLOAT64), torch.empty(2_000_000, 6, **FLOAT64)
    done = threading.Event()
    ticks: list[float] = []

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    model.forward_into({"strain": strain}, {"stress": stress})
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(start < t < end for t in ticks) > 10


def test_several_threads_may_call_one_model(promoted: Path) -> None:
    model = Model(promoted)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            generator = torch.Generator().manual_seed(seed)
            for n in range(1, 60):
                strain = torch.randn(n, 6, generator=generator, **FLOAT64)
                outputs, jacobian = model.jacobian({"strain": strain})
                close(outputs["stress"], hooke(strain))
                close(jacobian["stress"]["E"], hooke(strain) / 200e3)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors

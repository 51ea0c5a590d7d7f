# SPDX-License-Identifier: MIT
"""Arrays of any strides: the native engine follows them in place, the other one copies; results are the same."""

from __future__ import annotations

import pytest
import torch
from elasticity import DERIVATIVES, hooke

import neml2
from input_texts import ELASTICITY
from support import Compile


@pytest.fixture(scope="module", params=["aoti", "native"])
def model(request: pytest.FixtureRequest, compiled: Compile) -> neml2.aoti.Model:
    stub = compiled(ELASTICITY, "elasticity", *DERIVATIVES, "--backend", request.param)
    return neml2.aoti.load_model(stub, "elasticity")


def values(*shape: int) -> torch.Tensor:
    return torch.linspace(-1, 1, torch.Size(shape).numel(), dtype=torch.float64).reshape(shape).cos()


STRAINS = {
    "components apart": lambda: values(6, 23).T,
    "every other point": lambda: values(46, 6)[::2],
    "every other component": lambda: values(23, 12)[:, ::2],
    "axes exchanged": lambda: values(3, 5, 6).transpose(0, 1),
    "all exchanged": lambda: values(6, 3, 5).permute(2, 1, 0),
    "one axis expanded": lambda: values(3, 1, 6).expand(3, 5, 6),
    "inner axis sliced": lambda: values(4, 9, 6)[:, 2:7],
    "no batch axis": lambda: values(12)[::2],
    "no points": lambda: values(6, 23).T[:0],
    "no points along one of two axes": lambda: values(6, 0, 5).permute(2, 1, 0),
    "no points at one place": lambda: values(6).expand(0, 6),
    "seven axes": lambda: values(2, 1, 2, 1, 2, 1, 2, 6).transpose(0, 6),
    "nine axes": lambda: values(2, 1, 2, 1, 2, 1, 1, 1, 2, 6).transpose(0, 8),
}


@pytest.mark.parametrize("strain", STRAINS.values(), ids=STRAINS)
def test_inputs(model: neml2.aoti.Model, strain) -> None:
    strain = strain()
    model.named_parameters()["E"].fill_(200e3)
    outputs, blocks = model.jacobian({"strain": strain})
    expected, expected_blocks = model.jacobian({"strain": strain.contiguous()})
    assert outputs["stress"].shape == strain.shape
    torch.testing.assert_close(outputs["stress"], expected["stress"], rtol=1e-14, atol=1e-9)
    assert torch.equal(blocks["stress"]["strain"], expected_blocks["stress"]["strain"])

    tangents = {"strain": strain.flip(-1).transpose(0, -1).contiguous().transpose(0, -1)}
    _, along = model.jvp({"strain": strain}, tangents)
    assert along["stress"].shape == strain.shape
    along_expected = tangents["strain"] @ blocks["stress"]["strain"].mT
    torch.testing.assert_close(along["stress"], along_expected, rtol=1e-13, atol=1e-8)


WRITABLE = [name for name in STRAINS if name != "one axis expanded"]


@pytest.mark.parametrize("name", WRITABLE)
def test_outputs(model: neml2.aoti.Model, name: str) -> None:
    stress = STRAINS[name]()
    memory = stress.untyped_storage()
    before = torch.empty(0, dtype=torch.float64).set_(memory).clone()
    strain = values(*stress.shape) + 1
    model.forward_into({"strain": strain}, {"stress": stress})
    assert stress.untyped_storage().data_ptr() == memory.data_ptr()
    torch.testing.assert_close(stress, model.forward({"strain": strain})["stress"], rtol=1e-14, atol=1e-9)
    stress.fill_(0)  # nothing else was written
    after = torch.empty(0, dtype=torch.float64).set_(memory)
    untouched = after != 0
    assert torch.equal(after[untouched], before[untouched])


def test_shapes_that_broadcast_along_different_axes(model: neml2.aoti.Model) -> None:
    strain = values(3, 1, 6)
    modulus = 200e3 * (1 + values(1, 4).abs())
    model.set_parameter("E", modulus)
    try:
        stress = model.forward({"strain": strain})["stress"]
        model.set_parameter("E", modulus.expand(3, 4).contiguous())
        expected = model.forward({"strain": strain.expand(3, 4, 6).contiguous()})["stress"]
    finally:
        model.set_parameter("E", torch.tensor(200e3, dtype=torch.float64))
    assert stress.shape == (3, 4, 6)
    torch.testing.assert_close(stress, expected, rtol=1e-14, atol=1e-9)


def test_a_block_that_no_point_is_needed_for(model: neml2.aoti.Model) -> None:
    """d stress / d E depends on the strain alone, which is there although the batch is empty."""
    strain, old = values(12)[::2], model.named_parameters()["E"]
    model.set_parameter("E", torch.zeros(0, dtype=torch.float64))
    try:
        outputs, blocks = model.jacobian({"strain": strain})
    finally:
        model.set_parameter("E", old)
    assert outputs["stress"].shape == (0, 6)
    torch.testing.assert_close(blocks["stress"]["E"], hooke(strain.contiguous(), 1.0), rtol=1e-13, atol=1e-15)


def test_a_block_of_a_batch_that_is_empty_along_another_axis(model: neml2.aoti.Model) -> None:
    """Elements of a strided input that no point has are not read."""
    old = model.named_parameters()["E"]
    model.set_parameter("E", torch.zeros(1, 0, dtype=torch.float64))
    try:
        outputs, blocks = model.jacobian({"strain": values(3, 1, 60)[..., ::10]})
    finally:
        model.set_parameter("E", old)
    assert outputs["stress"].shape == (3, 0, 6)
    assert blocks["stress"]["E"].shape == (3, 0, 6)

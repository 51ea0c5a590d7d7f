# SPDX-License-Identifier: MIT
"""A compiled model that a ComposedModel lists: its values, and what is refused of it."""

from __future__ import annotations

import pytest
import torch

import neml2
from input_texts import ELASTICITY
from support import run_tool

WHOLE = """
[Settings]
  [example_batch_shape]
    strain = '(2,)'
  []
[]
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 1, 4, dtype=torch.float64))'
  []
  [strains]
    type = Python
    expr = 'SR2(times.data[:, None] * torch.tensor([0.01, 0, 0, 0.002, 0, 0], dtype=torch.float64))'
  []
[]
[Models]
  [size]
    type = SR2Invariant
    invariant_type = 'VONMISES'
    tensor = 'stress'
    invariant = 'size'
  []
  [whole]
    type = ComposedModel
    models = 'size elasticity'
    additional_outputs = 'stress'
  []
[]
[Drivers]
  [driver]
    type = TransientDriver
    model = 'whole'
    prescribed_time = 'times'
    prescribed_SR2_names = 'strain'
    prescribed_SR2_values = 'strains'
    save_as = 'result.pt'
  []
[]
"""


@pytest.fixture(scope="module")
def stub(compiled):
    return compiled(ELASTICITY + WHOLE, "elasticity", "--backend", "native")


@pytest.fixture
def strain():
    return torch.rand(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_values_are_those_of_the_model_it_was_compiled_from(stub, strain):
    mixed = neml2.load_model(stub, "whole")
    plain = neml2.load_model(stub.parents[1] / "input.i", "whole")
    assert list(mixed.input_spec) == list(plain.input_spec) and list(mixed.output_spec) == list(plain.output_spec)
    for found, wanted in zip(mixed(strain), plain(strain), strict=True):
        torch.testing.assert_close(found.data, wanted.data)


def test_a_driver_of_the_stub_runs_it(stub):
    for path in (stub, stub.parents[1] / "input.i"):
        done = run_tool("run", path.name, "driver", cwd=path.parent)
        assert done.returncode == 0, done.stderr
    found, wanted = (torch.load(folder / "result.pt") for folder in (stub.parent, stub.parents[1]))
    assert list(found) == list(wanted)
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name])


def test_derivatives_through_it_that_were_not_compiled_are_refused(stub, strain):
    mixed = neml2.load_model(stub, "whole")
    lacks = "'stress' by 'strain' is asked for.* compile the model with -d stress:strain"
    for ask in (mixed.jacobian, lambda inputs: mixed.jvp(inputs, inputs)):
        with pytest.raises(neml2.aoti.FatalError, match=lacks):
            ask({"strain": strain})
    values = mixed(strain.requires_grad_())
    with pytest.raises(neml2.aoti.FatalError, match=lacks):
        values[0].data.sum().backward()


def test_it_is_no_part_of_another_package(stub):
    done = run_tool("compile", stub.name, "--model", "whole", cwd=stub.parent)
    assert done.returncode == 2
    assert "'elasticity' cannot become part of another compiled model" in done.stderr

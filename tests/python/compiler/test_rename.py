# SPDX-License-Identifier: MIT
"""Names at a package's boundary: the numbers stay, the names follow one another, and what cannot be is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import neml2
from input_texts import ELASTICITY, decay
from neml2.aoti import Model
from neml2.compiler.frontend.rename import RenameError, ends_with, names
from support import Compile, metadata, run_tool

F64 = torch.float64
RENAMED = ("--rename-input", "strain:eps", "--rename-output", "stress:sigma", "--rename-parameter", "E:young")
ASKED = ("-p", "E", "-d", "sigma:eps", "-d", "sigma:young")
LAW = [["x", "x~1", "x~2", "t", "t~1", "f"], ["x", "y"]]


@pytest.mark.parametrize("backend", ["native", "aoti"])
def test_the_numbers_are_those_of_the_plain_package(compiled: Compile, backend):
    plain = Model(metadata(compiled(ELASTICITY, "elasticity", "-p", "E", "-d", ":", "-d", ":E", "--backend", backend)))
    stub = compiled(ELASTICITY, "elasticity", *ASKED, *RENAMED, "--backend", backend)
    renamed = Model(metadata(stub))
    assert (renamed.input_names, renamed.output_names) == (["eps"], ["sigma"])
    assert renamed.derivative_pairs == [("sigma", "eps"), ("sigma", "young")]
    strain = torch.linspace(-1, 1, 30, dtype=F64).reshape(5, 6)
    (stress, J), (sigma, K) = plain.jacobian({"strain": strain}), renamed.jacobian({"eps": strain})
    assert torch.equal(sigma["sigma"], stress["stress"])
    assert torch.equal(K["sigma"]["eps"], J["stress"]["strain"])
    assert torch.equal(K["sigma"]["young"], J["stress"]["E"])
    renamed.named_parameters()["young"].fill_(100e3)
    assert torch.allclose(renamed.forward({"eps": strain})["sigma"], stress["stress"] / 2, rtol=1e-14)


def test_the_stub_speaks_the_new_names(compiled: Compile):
    stub = compiled(ELASTICITY, "elasticity", *ASKED, *RENAMED, "--backend", "native")
    model = neml2.load_model(stub, "elasticity")
    assert list(model.input_spec) == ["eps"] and list(model.output_spec) == ["sigma"]
    assert list(model.named_parameters()) == ["young"]
    stub.write_text(stub.read_text().replace("type = AOTIModel", "type = AOTIModel\n    young = 100e3"))
    assert neml2.load_model(stub, "elasticity").named_parameters()["young"] == 100e3


def test_histories_follow(compiled: Compile):
    flags = ("--rename-output", "x:state", "--rename-input", "t:time", "--backend", "native", "-d", "state:")
    model = Model(metadata(compiled(decay(), "update", *flags)))
    assert sorted(model.input_names) == ["state~1", "time", "time~1"] and model.output_names == ["state"]
    assert {(p.old, p.current, p.state) for p in model.history()} == {
        ("state~1", "state", True),
        ("time~1", "time", False),
    }
    given = {"state~1": 1.0, "time~1": 0.0, "time": 0.5}
    values, slopes = model.jacobian({name: torch.tensor(value, dtype=F64) for name, value in given.items()})
    assert values["state"] == pytest.approx(0.5)  # x = x~1 / (1 + 2 dt)
    assert slopes["state"]["state~1"] == pytest.approx(0.5)
    assert slopes["state"]["time"] == pytest.approx(-0.5)


def test_which_names_follow():
    found = names(*LAW, [], ["t:time"], ["x:state"])
    assert found.inputs == {"x": "state", "x~1": "state~1", "x~2": "state~2", "t": "time", "t~1": "time~1"}
    assert found.outputs == {"x": "state"}
    found = names(*LAW, [], ["t:time", "t~1:start"], ["x:state", "y:z"])
    assert found.inputs["t~1"] == "start" and found.outputs == {"x": "state", "y": "z"}
    assert names(*LAW, [], ["t:f", "f:t"]).inputs == {"t": "f", "t~1": "f~1", "f": "t"}
    assert not names(*LAW, ["a.C"])


@pytest.mark.parametrize(
    ("renamed", "said"),
    [
        ((["strian:a"],), "no input 'strian'; there are"),
        ((["tt:a"],), "did you mean 't'"),
        (([], ["yy:a"]), "no output 'yy'; did you mean 'y'"),
        ((["t"],), "expected OLD:NEW"),
        ((["t:"],), "expected OLD:NEW"),
        ((["t:a b"],), "without spaces"),
        ((["t:f"],), "cannot both be called 'f'"),
        ((["f:y"],), "the input 'f' and the output 'y' cannot both be called 'y'"),
        (([], ["y:f"]), "cannot both be called 'f'"),
        (([], ["x:y"]), "cannot both be called 'y'"),
        ((["f:t~1"],), "1 step"),
        ((["f:a", "f:b"],), "renamed to 'a' already"),
        (([], [], ["C:c"]), "can be any of a.C, b.C"),
        (([], [], ["D:c"]), "no promoted parameter 'D'"),
        (([], [], ["a.C:f"]), "the input 'f' and the parameter 'a.C' cannot both be called 'f'"),
        (([], [], ["a.C:b.C"]), "cannot both be called 'b.C'"),
    ],
)
def test_what_cannot_be_is_refused(renamed, said):
    with pytest.raises(RenameError) as caught:
        names(*LAW, ["a.C", "b.C"], *renamed)
    assert said in str(caught.value)


def test_the_end_of_a_qualified_name_is_enough():
    assert ends_with("C", ["a.C", "a.C2", "aC"]) == ["a.C"]
    assert ends_with("C", ["C", "a.C"]) == ["C"]
    assert ends_with("C", ["a.C", "b.C"]) == ["a.C", "b.C"]
    assert ends_with("b.C", ["a.b.C", "c.C"]) == ["a.b.C"]


TWO = """\
[Models]
  [a]
    type = LinearIsotropicElasticity
    coefficients = '200e3 0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'strain'
    stress = 'one'
  []
  [b]
    type = LinearIsotropicHardening
    hardening_modulus = 1000
  []
  [c]
    type = LinearIsotropicHardening
    hardening_modulus = 2000
    isotropic_hardening = 'k'
  []
  [both]
    type = ComposedModel
    models = 'a b c'
  []
[]
"""


def test_a_short_parameter_on_the_command_line(compiled: Compile, tmp_path: Path):
    flags = ("-p", "nu", "-d", "one:poisson", "--rename-parameter", "nu:poisson", "--backend", "native")
    model = Model(metadata(compiled(TWO, "both", *flags)))
    assert list(model.named_parameters()) == ["poisson"]
    assert model.derivative_pairs == [("one", "poisson")]
    short = Model(metadata(compiled(TWO, "both", "-p", "nu", "-d", "one:nu", "--backend", "native")))
    assert list(short.named_parameters()) == ["a.nu"] and short.derivative_pairs == [("one", "a.nu")]
    (tmp_path / "input.i").write_text(TWO)
    for wrong, said in {
        ("-p", "K"): "-p K: this can be any of b.K, c.K",
        ("-p", "nuu"): "no parameter 'nuu'",
        ("-d", "one:nu"): "'nu' is a baked parameter; promote it too: -p nu",
        ("-d", "one:strain", "--rename-input", "strain:eps"): "'strain' is renamed; call it 'eps' here too",
        ("-d", "one:eps", "--rename-output", "one:two"): "'one' is renamed; call it 'two' here too",
        ("--rename-parameter", "nu:poisson"): "promote it with -p nu",
    }.items():
        done = run_tool("compile", "input.i", "--model", "both", "--backend", "native", *wrong, cwd=tmp_path)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "aoti").exists()


DRIVER = (
    decay()
    + """\
[Drivers]
  [walk]
    type = TransientDriver
    model = 'update'
    prescribed_time = 'times'
    ic_Scalar_names = 'x'
    ic_Scalar_values = '1'
  []
[]
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 1, 3, dtype=torch.float64))'
  []
[]
"""
)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rename-output", "x:state"), "'x' is called 'state' in the compiled model"),
        (("--rename-input", "t:time"), "'t' is called 'time' in the compiled model"),
    ],
)
def test_a_driver_of_the_stub_that_knows_the_old_names_is_refused(compiled: Compile, flags, said):
    stub = compiled(DRIVER, "update", *flags, "--backend", "native")
    done = run_tool("run", stub, "walk")
    assert done.returncode != 0 and said in done.stderr, done.stdout + done.stderr


def test_a_driver_of_the_stub_that_knows_the_new_names_runs(compiled: Compile):
    stub = compiled(DRIVER, "update", "--rename-output", "x:state", "--rename-input", "t:time", "--backend", "native")
    text = stub.read_text().replace("ic_Scalar_names = 'x'", "ic_Scalar_names = 'state'\n    time = 'time'")
    stub.write_text(text)
    done = run_tool("run", stub, "walk")
    assert done.returncode == 0, done.stderr

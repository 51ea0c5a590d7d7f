# SPDX-License-Identifier: MIT
"""Laws for hosts: where arguments lie, what cannot be, and what the files need."""

from __future__ import annotations

import ctypes
import re
import subprocess

import numpy as np
import pytest
import torch
from host_programs import ALL, DT, RATES, STRAINS, Laws, Program, abaqus_stress, cycle
from test_generic_behaviour import Point as Behaviour
from test_umat import Point, follow

import neml2
from input_texts import ELASTICITY, decay
from neml2.cli.compile import main
from neml2.compiler.backends.native.host import Library
from neml2.compiler.backends.native.interfaces import mfront
from neml2.compiler.backends.native.interfaces.law import (
    DEFORMATION,
    STRAIN,
    STRESS,
    TEMPERATURE,
    TIME,
    InterfaceError,
    Kept,
    Port,
    Slot,
    law_of,
)
from neml2.compiler.backends.native.lower import program_of
from neml2.compiler.frontend.rename import Names, renamed_program
from neml2.compiler.package import isa
from neml2.compiler.plan.layout import Request
from neml2.compiler.plan.segments import capture_model
from support import ROOT

# the strain two steps ago, the time itself, and a state that is two steps old
OLD = """\
[Models]
  [second]
    type = SR2LinearCombination
    from = 'strain strain~1 strain~2 s~2'
    to = 's'
    weights = '1 10 100 0.5'
  []
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '1 0'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 's'
  []
  [late]
    type = ScalarLinearCombination
    from = 't t~1'
    to = 'late'
    weights = '2 -1'
  []
  [model]
    type = ComposedModel
    models = 'second elasticity late'
    additional_outputs = 's'
  []
[]
"""


FORGETS = OLD.replace("additional_outputs = 's'", "")


def remembered(strains: np.ndarray) -> list[np.ndarray]:
    """The stress of the law above: its modulus is 1."""
    e, s = [np.zeros(6)] * 2 + list(strains), [np.zeros(6)] * 2
    for k in range(2, len(e)):
        s.append(e[k] + 10 * e[k - 1] + 100 * e[k - 2] + 0.5 * s[k - 2])
    return s[3:]


def test_older_values_are_kept(laws: Laws, umat: Program, behaviour):
    folder, strains = laws(OLD, "model", *ALL), cycle()[:6]
    point = Point(umat(folder), 19)
    follow(point, strains)
    other = Behaviour(behaviour, folder, 20)
    for strain in strains[1:]:
        other.step(DT, strain[[0, 1, 2, 5, 4, 3]])
    for k, (a, b, s) in enumerate(zip(point.results(), other.run()[1], remembered(strains), strict=True), 1):
        np.testing.assert_allclose(a.stress, abaqus_stress(s), rtol=1e-12, atol=1e-18)
        np.testing.assert_allclose(b.forces, s[[0, 1, 2, 5, 4, 3]], rtol=1e-12, atol=1e-18)
        late = 2 * k * DT - (k - 1) * DT  # a host that knows its step alone: the law counts
        assert a.statev[0] == late and b.internal[0] == late and b.internal[-1] == k * DT
    header = (folder / "law.h").read_text()
    assert "2-7  s, SR2: 11, 22, 33, √2·23, √2·13, √2·12" in header
    assert "14-19  s~1, SR2: 11, 22, 33, √2·23, √2·13, √2·12, kept for its history" in header
    assert "t: the time at the end of the step, kept by the law" in header
    assert "#define LAW_NSTATV 19\n" in header


def places(text: str, model: str, pairs, *, host: str = "umat"):
    loaded = neml2.hit.load_string(text).get_model(model)
    program = program_of(capture_model(loaded, Request([], [tuple(p.split(":")) for p in pairs]), torch.float64))
    law = law_of("law", program, knows_time=host == "umat", tensor_fields=host != "umat")
    return law, dict(zip([a.name for a in program.inputs], law.inputs, strict=True))


def test_where_inputs_come_from():
    law, inputs = places(RATES, "update", ["stress:strain"], host="mfront")
    assert inputs["strain"] == Port("strain", 0) and inputs["strain~1"] == Port("strain", 1)
    assert inputs["stress~1"] == Port("stress", 1)
    assert inputs["equivalent_plastic_strain~1"] == Port("state", 1, 0)
    assert law.clock == -1  # the time matters by its differences alone: nothing is kept of it
    law, inputs = places(OLD, "model", ["stress:strain"])
    assert inputs["strain~2"] == Port("state", 1, 7, "symmetric")
    assert law.kept == [
        Kept(Port("strain", 1), Port("state", 0, 7, "symmetric"), 6),
        Kept(Port("state", 1, 1, "symmetric"), Port("state", 0, 13, "symmetric"), 6),
    ]


@pytest.mark.parametrize(
    ("text", "model", "options", "said"),
    [
        (
            decay(),
            "update",
            (),
            "a host gives exactly one of the inputs strain, .*; its inputs are t: call one so, as in --rename-input",
        ),
        (ELASTICITY, "elasticity", ("--rename-input", "strain:eps"), "its inputs are eps: call one so"),
        (ELASTICITY, "elasticity", ("--rename-output", "stress:s"), "gives none of them; its outputs are s: call"),
        (FORGETS, "model", (), "'s~2' is the old value of 's', which the model does not give: make it an output"),
        (ELASTICITY, "elasticity", ("--dtype", "float32"), "double precision: --dtype float64"),
        (ELASTICITY, "elasticity", ("--law", "a-b"), "'a-b' cannot be the name of a law: expected letters"),
        (ELASTICITY, "elasticity", ("--backend", "aoti"), "laws for hosts are native code: --backend native"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, capsys, text, model, options, said):
    (tmp_path / "input.i").write_text(text)
    command = [str(tmp_path / "input.i"), "-m", model, "-q", "-o", str(tmp_path), "--backend", "native"]
    assert main([*command, "--interface", "umat", *options]) == 2
    error = capsys.readouterr().err
    assert re.search(said, error) and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.so"))


def test_types_and_values_that_do_not_fit():
    loaded = neml2.hit.load_string(ELASTICITY).get_model("elasticity")
    program = program_of(capture_model(loaded, Request([], [("stress", "strain")]), torch.float64))
    for names, said in (
        (Names(inputs={"strain": "F"}), r"'F' is of type SR2 \[6\], expected one R2"),
        (
            Names(outputs={"stress": "pk2_stress"}),
            "'pk2_stress' is a stress of finite strains, and the model takes 'str",
        ),
    ):
        with pytest.raises(InterfaceError, match=said):
            law_of("law", renamed_program(program, names), knows_time=True, tensor_fields=False)
    several = (
        ELASTICITY.replace("'200e3          0.3'", "'E 0.3'")
        + """
[Tensors]
  [E]
    type = Python
    expr = 'Scalar(torch.tensor([1.0, 2.0], dtype=torch.float64))'
  []
[]
"""
    )
    with pytest.raises(InterfaceError, match="the parameter 'E' has a value for each of several points"):
        places(several, "elasticity", ["stress:strain"])


def test_c_takes_any_model(tmp_path):
    (tmp_path / "input.i").write_text(decay())
    command = [str(tmp_path / "input.i"), "-m", "update", "-q", "-o", str(tmp_path), "--backend", "native"]
    assert main([*command, "--interface", "c", "--dtype", "float32"]) == 0
    library = Library(tmp_path / "update" / "law" / "libupdate.so")
    values = {"x~1": np.float32([3.0]), "t~1": np.float32([0]), "t": np.float32([0.5])}
    assert library.forward(values)[0]["x"] == pytest.approx(1.5, rel=1e-6)  # x = x~1 / (1 + 2 dt)


def test_source_and_law_belong_to_interfaces(tmp_path, capsys):
    (tmp_path / "input.i").write_text(ELASTICITY)
    for option in (["--source"], ["--law", "steel"]):
        assert main([str(tmp_path / "input.i"), "-q", "-o", str(tmp_path), *option]) == 2
        assert "belong to --interface" in capsys.readouterr().err


def test_inputs_that_no_host_gives():
    turned = ELASTICITY.replace("LinearIsotropicElasticity", "LinearIsotropicElasticity\n    strain = 'other'")
    with pytest.raises(InterfaceError, match="exactly one of the inputs"):
        places(turned, "elasticity", ["stress:other"])
    summed = ELASTICITY.replace("[Models]", SUM)
    with pytest.raises(InterfaceError, match=r"the input 'swelling' is of type SR2 \[6\], and the host gives numbers"):
        places(summed, "model", ["stress:strain"])
    law, _ = places(summed, "model", ["stress:strain"], host="mfront")
    assert mfront.variables_of(law.fields[0], 3) == [("swelling", 1)]


SUM = """\
[Models]
  [sum]
    type = SR2LinearCombination
    from = 'strain swelling'
    to = 'e'
  []
  [hooke]
    type = LinearIsotropicElasticity
    coefficients = '1 0'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
    strain = 'e'
  []
  [model]
    type = ComposedModel
    models = 'sum hooke'
  []
"""


@pytest.mark.parametrize(
    ("type", "size", "kind", "codes"),
    [
        ("Scalar", 12, "scalars", [781]),  # 12 numbers, as MGIS reads it
        ("Scalar", 1, "scalars", [0]),
        ("SR2", 6, "symmetric", [1]),
        ("R2", 9, "full", [3]),
        ("Vec", 3, "vector", [2]),
        ("MRP", 3, "other", [5 + 8 + (3 << 6)]),
        ("Scalar", 300, "scalars", [5 + 8 + (127 << 6), 5 + 8 + (127 << 6), 5 + 8 + (46 << 6)]),
    ],
)
def test_types_of_generic_variables(type, size, kind, codes):
    slot = Slot("x", type, (size,), size, 0, kind)
    variables = mfront.variables_of(slot, 3)
    assert [code for _, code in variables] == codes
    assert all(re.fullmatch(r"x(\[\d+\])?", name) for name, _ in variables)  # MGIS reads brackets as an index


def test_one_object_for_several_cpus(laws: Laws):
    """It runs the best that is there, exports its interfaces alone, and needs nothing but the C library."""
    levels = [x for level in isa.LEVELS for x in ("--isa", level)]
    folder = laws(ELASTICITY, "elasticity", *ALL, *levels)
    library = Library(folder / "liblaw.so")
    assert library.isa == isa.best()
    strain = np.array([[1e-3, -3e-4, -3e-4, 0, 0, 0]])
    np.testing.assert_allclose(library.forward({"strain": strain})[0]["stress"][0], [200, 0, 0, 0, 0, 0], atol=1e-10)
    symbols = subprocess.run(["nm", "-D", "--defined-only", folder / "liblaw.so"], capture_output=True, text=True)
    names = {line.split()[-1] for line in symbols.stdout.splitlines()}
    assert {n for n in names if not n.startswith("law_")} == {"umat_", "neml2_native_model_v1"}
    assert "law_umat_" in names
    needed = subprocess.run(["readelf", "-d", folder / "liblaw.so"], capture_output=True, text=True).stdout
    found = re.findall(r"NEEDED.*\[(.*)\]", needed)
    assert set(found) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libgcc_s.so.1"}


def test_the_source_stands_alone(laws: Laws, tmp_path, umat: Program):
    folder = laws(STRAINS, "model", *ALL, "--source")
    text = (folder / "law.cpp").read_text()
    assert '#include "' not in text
    recipe = text.splitlines()[1].removeprefix("//").split()
    assert recipe[-3:] == ["law.cpp", "-o", "liblaw.so"]
    (tmp_path / "law.cpp").write_text(text)
    subprocess.run([*recipe, "-O0", "-Wall", "-Wextra", "-Werror"], cwd=tmp_path, check=True)
    results = []
    for program in (umat(folder), umat(tmp_path)):
        point = Point(program, 7)
        follow(point, cycle()[:4])
        results.append(point.results()[-1])
    np.testing.assert_allclose(results[0].stress, results[1].stress, rtol=1e-9)
    assert ctypes.CDLL(str(tmp_path / "liblaw.so")).law_Tridimensional


def test_the_page_of_hosts(tmp_path, monkeypatch):
    """The command of docs/hosts.md writes the files and symbols that the page says."""
    page = (ROOT / "docs" / "hosts.md").read_text()
    command = re.search(r"```sh\nneml2-compile (.*)\n```", page)[1].split()
    (tmp_path / "steel.i").write_text((ROOT / "examples" / "fe" / "plate.i").read_text())
    monkeypatch.chdir(tmp_path)
    assert main([*command, "-q"]) == 0
    folder = tmp_path / "aoti" / "model" / "law"
    assert sorted(p.name for p in folder.iterdir()) == ["STEEL.h", "libSTEEL.so"]
    library = ctypes.CDLL(str(folder / "libSTEEL.so"))
    for symbol in ("umat_", "steel_umat_", "STEEL_Tridimensional"):
        assert getattr(library, symbol) and symbol in page
    subprocess.run(["cc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", folder / "STEEL.h"], check=True)
    assert "#define STEEL_NPROPS 1\n" in (folder / "STEEL.h").read_text()
    for name in [*STRESS, *STRAIN, *DEFORMATION, *TIME, *TEMPERATURE]:
        assert f"`{name}`" in page

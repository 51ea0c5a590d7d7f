# SPDX-License-Identifier: MIT
"""The commands neml2-run, neml2-inspect and neml2-syntax, as a user runs them."""

import json
import subprocess
import sys
import time

import pytest
import torch

from support import run_tool

INPUT = """
[Tensors]
  [times]
    type = Python
    expr = 'Scalar(torch.linspace(0, 2, 21, dtype=torch.float64))'
  []
  [strains]
    type = Python
    expr = 'SR2(times.data[:, None] * torch.tensor([0.01, 0, 0, 0, 0, 0], dtype=torch.float64))'
  []
  [stresses]
    type = Python
    expr = 'SR2(strains.data * torch.tensor([1.0, 0, 0, 0, 0, 0], dtype=torch.float64) * 100e3
                + strains.data[:, :1] * torch.tensor([0.0, 0, 0, 0, 0, 0], dtype=torch.float64))'
  []
[]
[Models]
  [elasticity]
    type = LinearIsotropicElasticity
    coefficients = '100e3 0.0'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
  []
[]
[Drivers]
  [driver]
    type = TransientDriver
    model = 'elasticity'
    prescribed_time = 'times'
    prescribed_SR2_names = 'strain'
    prescribed_SR2_values = 'strains'
  []
  [verification]
    type = Verification
    driver = 'driver'
    SR2_names = 'output.stress'
    SR2_values = 'stresses'
  []
[]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "input.i").write_text(INPUT)
    return tmp_path


def assert_one_line(done, status, *words):
    assert done.returncode == status, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


class TestRun:
    def test_a_run(self, folder):
        done = run_tool("run", "input.i", "driver", "Drivers/driver/save_as=out.pt", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "driver: done, 20 steps" in done.stdout and "out.pt" in done.stdout
        assert len([line for line in done.stderr.splitlines() if "of 20" in line]) == 10
        saved = torch.load(folder / "out.pt", weights_only=True)
        assert saved["output.20.stress"][0].item() == pytest.approx(0.02 * 100e3)

    def test_quiet(self, folder):
        done = run_tool("run", "-q", "input.i", "verification", cwd=folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_overrides_in_any_place(self, folder):
        wrong = "Models/elasticity/coefficients:='200e3 0.0'"
        done = run_tool("run", "input.i", "-q", "verification", wrong, cwd=folder)
        assert_one_line(done, 1, "input.i:32: [Drivers/verification]", "'output.stress' at step 1", "not close")

    def test_what_is_wrong_in_the_file(self, folder):
        done = run_tool("run", "-q", "input.i", "driver", "Drivers/driver/tme='t'", cwd=folder)
        assert_one_line(done, 1, "[Drivers/driver]", "did you mean 'time'")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["nothing.i", "driver"], ["nothing.i: no such input file"]),
            (["input.i", "drver"], ["did you mean 'driver'"]),
            (["input.i", "driver", "override"], ["'override' is no override"]),
            (["input.i", "driver", "--device", "gpu"], ["'gpu' is no device"]),
            (["input.i", "driver", "--load", "x.py"], ["no such extension file"]),
            (["input.i", "driver", "-q", "--plot", "o.png", "--axes", "time:strss"], ["did you mean 'stress'"]),
        ],
    )
    def test_bad_usage(self, folder, arguments, words):
        assert_one_line(run_tool("run", *arguments, cwd=folder), 2, *words)

    def test_no_file_given(self):
        assert run_tool("run").stderr.strip().endswith("the following arguments are required: FILE")

    def test_the_only_driver_need_not_be_named(self, folder):
        said = ("input.i: say which of [Drivers] is meant", "driver", "verification")
        assert_one_line(run_tool("run", "input.i", cwd=folder), 2, *said)
        head, _, _ = INPUT.partition("  [verification]")
        (folder / "input.i").write_text(head + "[]\n")
        for override in ([], ["Models/elasticity/coefficients:='200e3 0.0'"]):
            done = run_tool("run", "input.i", *override, cwd=folder)
            assert "driver: done, 20 steps" in done.stdout, done.stderr

    def test_plot(self, folder):
        axes = ("--axes", "strain:stress", "--axes", "time:stress")
        for extra in ((), axes):
            done = run_tool("run", "-q", "input.i", "driver", "--plot", "out.png", *extra, cwd=folder)
            assert done.returncode == 0, done.stderr
            picture = (folder / "out.png").read_bytes()
            assert picture.startswith(b"\x89PNG") and len(picture) > 5000

    def test_float32(self, folder):
        save = "Drivers/driver/save_as=out.pt"
        done = run_tool("run", "-q", "input.i", "driver", save, "--dtype", "float32", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert torch.load(folder / "out.pt", weights_only=True)["output.3.stress"].dtype == torch.float32

    def test_extension(self, folder):
        (folder / "mine.py").write_text(
            "from neml2.models import Input, Model, Output, register\n"
            "from neml2.types import SR2\n"
            "@register('Mine')\n"
            "class Mine(Model):\n"
            "    strain = Input(SR2)\n"
            "    stress = Output(SR2)\n"
            "    def forward(self, e): return 100e3 * e\n"
        )
        (folder / "input.i").write_text(
            INPUT.split("[Models]")[0]
            + "[Models]\n[elasticity]\ntype = Mine\n[]\n[]\n[Drivers]"
            + INPUT.split("[Drivers]")[1]
        )
        done = run_tool("run", "-q", "--load", "mine.py", "input.i", "verification", cwd=folder)
        assert done.returncode == 0, done.stderr
        done = run_tool("run", "-q", "input.i", "verification", cwd=folder)
        assert_one_line(done, 1, "no type 'Mine'")

    def test_what_a_model_of_ones_own_does_wrong_is_said_with_its_place_once(self, tmp_path):
        (tmp_path / "mine.py").write_text(
            "import torch\nfrom neml2.models import Input, Model, Output, register\nfrom neml2.types import Scalar\n\n"
            "@register('Leaves')\nclass Leaves(Model):\n    x = Input(Scalar)\n    y = Output(Scalar)\n"
            "    def forward(self, x): return Scalar(torch.as_tensor(x.data.numpy()))\n"
        )
        (tmp_path / "input.i").write_text("[Models]\n[law]\ntype = Leaves\n[]\n[]\n")
        command = ("compile", "--load", "mine.py", "input.i", "--model", "law", "--backend", "native")
        done = run_tool(*command, cwd=tmp_path)
        assert_one_line(done, 2, "cannot be captured", ".numpy() of what depends on the inputs")
        assert done.stderr.count("mine.py:9") == 1


class TestInspect:
    def test_text(self, folder):
        done = run_tool("inspect", "input.i", "elasticity", cwd=folder)
        assert done.returncode == 0, done.stderr
        for word in ("LinearIsotropicElasticity", "strain", "stress", "SR2", "(6)", "float64", "100000"):
            assert word in done.stdout

    def test_json(self, folder):
        done = run_tool("inspect", "input.i", "elasticity", "--json", cwd=folder)
        content = json.loads(done.stdout)
        assert content["inputs"] == [{"name": "strain", "type": "SR2", "base_shape": [6]}]
        assert content["outputs"][0]["name"] == "stress"
        assert {p["name"]: p["value"] for p in content["parameters"]} == {"E": 100e3, "nu": 0.0}

    def test_list_of_models(self, folder):
        assert "LinearIsotropicElasticity" in run_tool("inspect", "input.i", cwd=folder).stdout

    def test_unknown_model(self, folder):
        assert_one_line(run_tool("inspect", "input.i", "elastic", cwd=folder), 2, "did you mean 'elasticity'")

    def test_stub(self, folder):
        package = folder / "aoti" / "elasticity" / "cpu"
        package.mkdir(parents=True)
        variable = {"type": "SR2", "base_shape": [6], "sub_batch_shape": [], "offset": 0}
        parameter = {"name": "E", "type": "Scalar", "base_shape": [], "sub_batch_shape": [], "batch_shape": []}
        meta = {
            "schema": 1,
            "device": "cpu",
            "dtype": "float64",
            "isa": "avx2",
            "versions": {"torch": "2.13.0"},
            "inputs": [{**variable, "name": "strain"}],
            "outputs": [{**variable, "name": "stress"}],
            "parameters": [{**parameter, "promoted": True, "value": [100e3]}],
            "segments": [{"kind": "forward", "name": "elasticity"}],
            "derivatives": [{"output": "stress", "input": "strain", "depends_on": []}],
        }
        (package / "elasticity_meta.json").write_text(json.dumps(meta))
        stub = "[Models]\n[elasticity]\ntype = AOTIModel\nartifact_path = '/moved/elasticity'\n[]\n[]\n"
        (folder / "aoti" / "elasticity_aoti.i").write_text(stub)
        done = run_tool("inspect", "aoti/elasticity_aoti.i", "elasticity", cwd=folder)
        assert done.returncode == 0, done.stderr
        for word in ("AOTIModel", "promoted", "100000", "stress  :  strain", "avx2"):
            assert word in done.stdout
        done = run_tool("inspect", "aoti/elasticity_aoti.i", "elasticity", "--json", cwd=folder)
        assert json.loads(done.stdout)["derivatives"] == [["stress", "strain"]]

    def test_stub_without_package(self, folder):
        stub = "[Models]\n[elasticity]\ntype = AOTIModel\nartifact_path = '/moved/elasticity'\n[]\n[]\n"
        (folder / "stub.i").write_text(stub)
        assert_one_line(run_tool("inspect", "stub.i", "elasticity", cwd=folder), 1, "no compiled package")


class TestSyntax:
    def test_one_type(self):
        done = run_tool("syntax", "NewtonWithLineSearch")
        assert done.returncode == 0, done.stderr
        for word in ("[Solvers]", "linesearch_cutback", "2.0", "abs_tol", "BACKTRACKING"):
            assert word in done.stdout

    def test_all_of_a_section(self):
        done = run_tool("syntax", "--section", "Drivers", "--json")
        content = {entry["name"]: entry for entry in json.loads(done.stdout)}
        assert set(content) == {"TransientDriver", "TransientRegression", "Verification", "ModelUnitTest"}
        options = {row["name"]: row for row in content["TransientRegression"]["options"]}
        assert options["driver"]["required"] and options["rtol"]["default"] == 1e-5
        assert all(entry["description"] for entry in content.values())

    def test_one_section(self):
        names = run_tool("syntax", "--section", "Solvers").stdout
        assert "DenseLU" in names and "GMRES" in names and "Elasticity" not in names

    def test_search(self):
        found = json.loads(run_tool("syntax", "--search", "extrapol", "--json").stdout)
        assert {"ConstantExtrapolationPredictor", "LinearExtrapolationPredictor"} <= {e["name"] for e in found}
        assert "nothing found" in run_tool("syntax", "--search", "xyzzy").stdout

    def test_unknown_type(self):
        assert_one_line(run_tool("syntax", "Newtn"), 2, "did you mean 'Newton'")


@pytest.mark.parametrize("name", ["run", "inspect", "syntax"])
def test_help_is_quick_and_needs_no_torch(name):
    code = (
        f"import sys; from neml2.cli.{name} import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: neml2-" in done.stdout
    assert time.perf_counter() - start < 5.0

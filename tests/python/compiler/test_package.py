# SPDX-License-Identifier: MIT
"""`neml2-compile`: what it writes, what it says, and what it refuses."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

import neml2
from input_texts import ELASTICITY
from support import metadata, run_tool


def described(stub: Path) -> dict:
    return json.loads(metadata(stub).read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "input.i").write_text(ELASTICITY)
    return tmp_path


def test_files_and_printed_lines(folder):
    done = run_tool("compile", "input.i", "--model", "elasticity", "-d", "stress:strain", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Compiled 'elasticity' (composed, fully baked, 1 derivative pair(s)) for [cpu] -> aoti/elasticity",
        "  stub: aoti/elasticity_aoti.i",
        "  cpu: aoti/elasticity/cpu/elasticity_meta.json",
    ]
    assert sorted(p.name for p in (folder / "aoti").iterdir()) == ["elasticity", "elasticity_aoti.i"]
    package = folder / "aoti" / "elasticity" / "cpu"
    assert sorted(p.name for p in package.iterdir()) == ["elasticity.pt2", "elasticity_jvp.pt2", "elasticity_meta.json"]


def test_promotion_is_printed(folder):
    flags = ["--output-dir", "aoti_promoted", "-p", "E", "-d", "stress:strain"]
    done = run_tool("compile", "input.i", "--model", "elasticity", *flags, cwd=folder)
    assert done.stdout.splitlines()[0] == (
        "Compiled 'elasticity' (composed, 1 promoted parameter(s), 1 derivative pair(s)) for [cpu] "
        "-> aoti_promoted/elasticity"
    )


def test_without_derivatives_there_is_one_graph(folder):
    done = run_tool("compile", "input.i", "--model", "elasticity", cwd=folder)
    assert done.stdout.splitlines()[0] == "Compiled 'elasticity' (composed, fully baked) for [cpu] -> aoti/elasticity"
    assert [p.name for p in sorted((folder / "aoti/elasticity/cpu").glob("*.pt2"))] == ["elasticity.pt2"]


def test_quiet_says_nothing(folder):
    done = run_tool("compile", "input.i", "--model", "elasticity", "-q", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_progress_names_each_graph_in_lines(folder):
    done = run_tool("compile", "input.i", "--model", "elasticity", "-d", ":", cwd=folder)
    lines = done.stderr.splitlines()
    assert any("elasticity.pt2" in line for line in lines)
    assert lines[-1].startswith("[2/2]") and " s " in lines[-1]


def test_metadata_describes_the_package(compiled):
    stub = compiled(ELASTICITY, "elasticity", "-p", "E", "-d", ":", "-d", "stress:E")
    data = described(stub)
    assert data["schema"] == 2
    assert data["versions"]["torch"] == torch.__version__
    assert data["versions"]["neml2"] == neml2.__version__
    assert (data["device"], data["dtype"], data["backend"]) == ("cpu", "float64", "aoti")
    assert [(v["name"], v["type"], v["base_shape"]) for v in data["inputs"]] == [("strain", "SR2", [6])]
    assert [(p["name"], p["promoted"], p["value"]) for p in data["parameters"]] == [
        ("E", True, [200e3]),
        ("nu", False, [0.3]),
    ]
    assert data["derivatives"] == [
        {"output": "stress", "input": "strain", "depends_on": ["E"]},
        {"output": "stress", "input": "E", "depends_on": ["strain"]},
    ]
    for name, entry in data["files"].items():
        content = (stub.parent / "elasticity" / "cpu" / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_the_kernel_computes_the_stress(compiled):
    stub = compiled(ELASTICITY, "elasticity", "-p", "E", "-d", ":", "-d", "stress:E")
    data = described(stub)
    kernel = torch._inductor.aoti_load_package(str(stub.parent / "elasticity/cpu/elasticity.pt2"))
    state = torch.zeros(2, data["state_size"], data["lanes"], dtype=torch.float64)
    strain = torch.randn(2, 6, data["lanes"], dtype=torch.float64) * 1e-3
    state[:, :6] = strain
    state[:, data["parameters"][0]["offset"]] = 100e3
    kernel(state)
    stress = data["outputs"][0]["offset"]
    lame, shear = 100e3 * 0.3 / (1.3 * 0.4), 100e3 / 2.6
    trace = strain[:, :3].sum(1, keepdim=True) * torch.tensor([1.0, 1, 1, 0, 0, 0]).reshape(1, 6, 1)
    torch.testing.assert_close(state[:, stress : stress + 6], lame * trace + 2 * shear * strain, rtol=1e-12, atol=1e-12)


def test_equal_input_gives_equal_packages_from_a_cold_cache(folder):
    runs = []
    for k in range(2):
        cache = folder / "cache"
        done = run_tool("compile", "input.i", "-o", f"out{k}", cwd=folder, NEML2_CACHE_DIR=str(cache))
        assert done.returncode == 0, done.stderr
        runs.append(described(folder / f"out{k}" / "elasticity_aoti.i"))
        for file in (cache / "kernels").iterdir():
            file.unlink()
    assert runs[0] == runs[1]


def test_files_hold_no_sources(compiled):
    stub = compiled(ELASTICITY, "elasticity", "-p", "E", "-d", ":", "-d", "stress:E")
    with zipfile.ZipFile(stub.parent / "elasticity/cpu/elasticity.pt2") as archive:
        assert not [n for n in archive.namelist() if n.endswith(".cpp")]
        assert sum(n.endswith(".so") for n in archive.namelist()) == 1


def test_a_killed_compile_leaves_the_old_package(folder):
    assert run_tool("compile", "input.i", cwd=folder).returncode == 0
    before = {p: p.read_bytes() for p in (folder / "aoti").rglob("*") if p.is_file()}
    command = [sys.executable, "-m", "neml2.cli.compile", "input.i", "-d", ":", "-p", "nu"]
    env = {**os.environ, "NEML2_CACHE_DIR": str(folder / "cold")}
    process = subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    process.stderr.readline()  # the compile is on its way
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for path, content in before.items():
        assert path.read_bytes() == content

    assert run_tool("compile", "input.i", cwd=folder).returncode == 0
    assert sorted(p.name for p in (folder / "aoti" / "elasticity").iterdir()) == ["cpu"]


def test_an_archive_says_what_its_code_was_made_for(compiled):
    stub = compiled(ELASTICITY, "elasticity", "-p", "E", "-d", ":", "-d", "stress:E")
    data = described(stub)
    start = f"{data['isa']} float64 {data['lanes']} {data['state_size']}"
    sizes = {"elasticity": 0, "elasticity_jvp": data["segments"][0]["derivative"]["size"]}
    for name, size in sizes.items():
        with zipfile.ZipFile(metadata(stub).with_name(f"{name}.pt2")) as archive:
            assert archive.read(f"{name}/extra/neml2_layout").decode() == f"{start} {size}"


def test_the_stub_keeps_all_other_blocks(folder):
    tensors = "[Tensors]\n  [x]\n    type = Python\n    expr = 'Scalar(1.0)'\n  []\n[]\n"
    text = ELASTICITY + tensors + "[Models]\n  [y]\n    type = CopyScalar\n  []\n[]\n"
    (folder / "input.i").write_text(text)
    done = run_tool("compile", "input.i", "--model", "elasticity", cwd=folder)
    assert done.returncode == 0, done.stderr
    stub = neml2.load_input(folder / "aoti" / "elasticity_aoti.i")
    assert stub.type_of("Models", "elasticity") == "AOTIModel"
    assert stub.type_of("Models", "y") == "CopyScalar"
    assert stub.get_tensor("x").data.item() == 1.0
    path = stub.block("Models", "elasticity").require("artifact_path").text()
    assert Path(path) == folder / "aoti" / "elasticity"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["input.i", "--model", "elastcity"], ["no model 'elastcity'", "did you mean 'elasticity'"]),
        (["input.i", "-d", "sress:strain"], ["no output 'sress'", "did you mean 'stress'"]),
        (["input.i", "-d", "stress:stain"], ["no input 'stain'", "did you mean 'strain'"]),
        (["input.i", "-d", "stress"], ["expected OUT:IN"]),
        (["input.i", "-d", "stress:E"], ["baked parameter", "-p E"]),
        (["input.i", "-p", "mu"], ["no parameter 'mu'", "it can promote: E, nu"]),
        (["input.i", "--device", "tpu"], ["--device tpu", "expected cpu or cuda"]),
        (["missing.i"], ["missing.i", "no such input file"]),
        (["input.i", "Models/elasticity/coeficients:=1"], ["coeficients", "did you mean 'coefficients'"]),
        (["input.i", "--output-dir", "input.i"], ["--output-dir input.i", "cannot write"]),
    ],
)
def test_bad_requests_get_one_line_and_status_2(folder, arguments, words):
    done = run_tool("compile", *arguments, cwd=folder)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not (folder / "aoti" / "elasticity_aoti.i").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine can compile for cuda")
def test_a_device_this_torch_cannot_compile_for(folder):
    done = run_tool("compile", "input.i", "--device", "cpu", "cuda", cwd=folder)
    assert done.returncode == 2
    assert "--device cuda" in done.stderr and torch.__version__ in done.stderr


def test_no_compiler(folder):
    done = run_tool("compile", "input.i", cwd=folder, CXX="no-such-compiler")
    assert done.returncode == 2
    assert "no C++ compiler" in done.stderr and "no-such-compiler" in done.stderr

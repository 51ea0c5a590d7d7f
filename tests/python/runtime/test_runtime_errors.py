# SPDX-License-Identifier: MIT
"""Every bad call or package is an exception of the right class with words that help."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from input_texts import ELASTICITY
from neml2 import aoti
from neml2.aoti import ConvergenceError, FatalError, Model, load_model
from neml2.compiler.package.seal import sealed
from support import Compile, metadata


@pytest.fixture(scope="module")
def plain(compiled: Compile) -> Path:
    """Elasticity without derivatives or parameters."""
    return metadata(compiled(ELASTICITY, "elasticity"))


def zeros(*shape: int, **options: Any) -> torch.Tensor:
    return torch.zeros(*shape, **{"dtype": torch.float64, **options})


def words(text: str) -> str:
    """A pattern that finds these words in this order."""
    return ".*".join(re.escape(word) for word in text.split(" ... "))


BAD_INPUTS: list[tuple[Any, str]] = [
    ({}, "missing input 'strain'"),
    ({"strian": zeros(2, 6)}, "unknown input 'strian', did you mean 'strain'?"),
    ({"strain": zeros(2, 6), "x": zeros(2)}, "unknown input 'x'"),
    ({"strain": zeros(2, 5)}, "input 'strain' has shape (2, 5), expected (*batch, 6)"),
    ({"strain": zeros(2, 6, dtype=torch.float32)}, "input 'strain' has dtype float32, expected float64"),
    ({"strain": zeros(2, 6, dtype=torch.int64)}, "input 'strain' has dtype int64, expected float64"),
    ({"strain": zeros(2, 6, device="meta")}, "input 'strain' is on the device 'meta', expected 'cpu'"),
    ({"strain": zeros(2, 6).to_sparse()}, "input 'strain' is no plain tensor"),
    ({"strain": [0.0] * 6}, "input 'strain' is a 'list', expected a torch tensor"),
    ({"strain": 0.0}, "input 'strain' is a 'float', expected a torch tensor"),
    ({"strain": None}, "input 'strain' is a 'NoneType', expected a torch tensor"),
    ({0: zeros(2, 6)}, "the name of an input is a 'int', expected a string"),
    (zeros(2, 6), "the inputs are a 'Tensor', expected a dict"),
    ([zeros(2, 6)], "the inputs are a 'list', expected a dict"),
]


@pytest.mark.parametrize(("inputs", "message"), BAD_INPUTS, ids=[m for _, m in BAD_INPUTS])
def test_bad_inputs(promoted: Path, inputs: Any, message: str) -> None:
    model = Model(promoted)
    calls: list[Callable[[], object]] = [
        lambda: model.forward(inputs),
        lambda: model.jacobian(inputs),
        lambda: model.jvp(inputs, {}),
        lambda: model.forward_into(inputs, {}),
    ]
    for call in calls:
        with pytest.raises(FatalError, match=words(message)) as caught:
            call()
        assert caught.value.recoverable is False


def test_tensors_of_transformations_are_refused(promoted: Path) -> None:
    model = Model(promoted)
    with pytest.raises(FatalError, match="no plain tensor"):
        torch.func.vmap(lambda e: model.jacobian({"strain": e})[0]["stress"])(zeros(3, 6))
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode() as mode, pytest.raises(FatalError, match=r"no plain tensor|meta"):
        model.forward({"strain": mode.from_tensor(zeros(3, 6))})


def test_bad_tangents(promoted: Path, plain: Path, combination: Path) -> None:
    model = Model(promoted)
    strain = {"strain": zeros(2, 6)}
    with pytest.raises(FatalError, match=words("unknown name 'strian' among the tangents, did you mean 'strain'?")):
        model.jvp(strain, {"strian": zeros(2, 6)})
    with pytest.raises(FatalError, match=words("do not broadcast ... tangent 'strain' has (3,)")):
        model.jvp(strain, {"strain": zeros(3, 6)})
    with pytest.raises(FatalError, match=words("tangent 'strain' is a 'list'")):
        model.jvp(strain, {"strain": [1.0]})
    for call in (lambda: Model(plain).jvp(strain, {}), lambda: Model(plain).jacobian(strain)):
        with pytest.raises(FatalError, match=words("needs derivatives ... -d OUTPUT:INPUT")):
            call()
    with pytest.raises(FatalError, match=words("input 'a' has (2,), input 'b' has (3,)")):
        Model(combination).forward({"a": zeros(2, 6), "b": zeros(3, 6)})


def test_bad_parameters(promoted: Path) -> None:
    model = Model(promoted)
    with pytest.raises(FatalError, match=words("parameter 'E' has dtype float32, expected float64")):
        model.set_parameter("E", torch.tensor(1.0, dtype=torch.float32))
    with pytest.raises(FatalError, match=words("unknown parameter 'nu' ... the promoted parameters are: 'E'")):
        model.set_parameter("nu", torch.tensor(0.3, dtype=torch.float64))
    with pytest.raises(FatalError, match=words("parameter 'E' is a 'float'")):
        model.set_parameter("E", 1.0)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        model.named_parameters()["nu"]
    model.set_parameter("E", zeros(4))
    with pytest.raises(FatalError, match=words("do not broadcast ... parameter 'E' has (4,)")):
        model.forward({"strain": zeros(2, 6)})


@pytest.fixture
def copy(promoted_stub: Path, tmp_path: Path) -> Path:
    """Stub of a package that can be damaged."""
    target = tmp_path / "package"
    shutil.copytree(promoted_stub.parent, target)
    stub = target / promoted_stub.name
    text = stub.read_text().replace(str(promoted_stub.parent), str(target))
    stub.write_text(text)
    return stub


CHANGES: list[tuple[str, Any, str]] = [
    ("schema", 1000, "schema 1000, newer"),
    ("device", "quantum", "for the device 'quantum'"),
    ("isa", "avx9000", "unknown instruction set 'avx9000'"),
    ("versions", {"torch": "1.0.0"}, "compiled with torch 1.0.0"),
    ("lanes", None, "'lanes' is null"),
]


@pytest.mark.parametrize(("key", "value", "message"), CHANGES, ids=[k for k, _, _ in CHANGES])
def test_packages_that_cannot_run_here(copy: Path, key: str, value: Any, message: str) -> None:
    content = json.loads(metadata(copy).read_text())
    content[key] = value
    metadata(copy).write_text(sealed(content))
    with pytest.raises(FatalError, match=words(f"elasticity_meta.json ... {message}")):
        load_model(copy, "elasticity")


def test_damaged_packages(copy: Path) -> None:
    graph, meta = metadata(copy).with_name("elasticity.pt2"), metadata(copy)
    content, text = graph.read_bytes(), meta.read_text()
    graph.write_bytes(content[:-7])
    with pytest.raises(FatalError, match=words("elasticity.pt2 ... truncated or altered")):
        Model(meta)
    graph.write_bytes(content[:-7] + b"altered")
    with pytest.raises(FatalError, match=words("elasticity.pt2 ... SHA-256 ... altered")):
        Model(meta)
    graph.unlink()
    with pytest.raises(FatalError, match=words("elasticity.pt2: No such file")):
        Model(meta)
    graph.write_bytes(content)
    meta.write_text(sealed(json.loads(text.replace('"elasticity.pt2"', '"../elasticity.pt2"'))))
    with pytest.raises(FatalError, match=words("'../elasticity.pt2', which does not lie in its own folder")):
        Model(meta)
    meta.write_text(text.replace('"offset": 6', '"offset": 7'))
    with pytest.raises(FatalError, match=words("elasticity_meta.json ... SHA-256 ... truncated or altered")):
        Model(meta)
    meta.write_text(text[:100])
    with pytest.raises(FatalError, match=words("elasticity_meta.json ... truncated or altered")):
        Model(meta)
    meta.unlink()
    with pytest.raises(FatalError, match=r"elasticity_meta\.json"):
        load_model(copy, "elasticity")


def test_bad_stubs(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=words("no model 'elastcity', did you mean 'elasticity'?")):
        load_model(copy, "elastcity")
    with pytest.raises(FatalError, match="there is no such file"):
        load_model(tmp_path / "none.i", "elasticity")


def test_a_moved_package_is_found_beside_its_stub(copy: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    copy.parent.rename(moved)
    assert load_model(moved / copy.name, "elasticity").forward({"strain": zeros(2, 6)})["stress"].shape == (2, 6)


def test_classes() -> None:
    assert issubclass(aoti.Exception, RuntimeError)
    for name in ("ConvergenceError", "FatalError", "AggregateError"):
        error = getattr(aoti, name)
        assert issubclass(error, aoti.Exception)
        assert (error.__module__, error.__name__) == ("neml2.aoti", name)
    assert ConvergenceError.recoverable and not FatalError.recoverable


def test_the_torch_of_the_build_is_the_torch_that_runs() -> None:
    """Also where the distribution says 2.13.0 and the module 2.13.0+cu130."""
    from neml2._torch_check import _installed_torch

    assert _installed_torch() == torch.__version__


def test_another_torch_is_refused() -> None:
    """The recorded version is changed in a process of its own; the extension must not even be opened."""
    script = (
        "import sys, neml2._build_info as b\n"
        "b.TORCH_VERSION = '1.2.3'\n"
        "try:\n    import neml2.aoti\n"
        "except ImportError as e:\n    print(e); sys.exit('neml2._neml2' in sys.modules)\n"
        "sys.exit(7)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "built against torch 1.2.3" in done.stdout and "install torch 1.2.3, or build neml2 again" in done.stdout
    assert done.stdout.count("\n") == 1

# SPDX-License-Identifier: MIT
"""Compiled files kept between runs: found again, never used half written, bounded, listed."""

from __future__ import annotations

import ctypes
import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from jit_functions import CLANG

from neml2.compiler.backends.native import toolchain
from neml2.compiler.backends.native.library import library
from neml2.compiler.backends.native.toolchain import BuildError
from neml2.compiler.package import kernel_cache
from neml2.native import Newton, NumericalFunction
from support import run_tool


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("NEML2_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def builds(monkeypatch, tmp_path) -> Path:
    """A file with one line for each compilation, whatever process does it."""
    log, compile_ = tmp_path / "builds", toolchain.build

    def counted(*args):
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return compile_(*args)

    monkeypatch.setattr(toolchain, "build", counted)
    log.touch()
    return log


def function() -> NumericalFunction:
    return NumericalFunction(lambda x: x * x + 1, {"x": 2}, "y", name="parabola")


def count(log: Path) -> int:
    return len(log.read_text().splitlines())


def kept(cache: Path) -> Path:
    (path,) = (cache / "jit").glob("parabola_*.so")
    return path


def write(content: bytes):
    """A builder that writes `content`."""

    def build(path: Path, scratch: Path) -> None:
        path.write_bytes(content)

    return build


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), BuildError("ld: final link failed: No space left on device")],
)
def test_a_full_disk_under_the_cache_is_done_without_it(cache, error):
    places = []

    def build_(path: Path, scratch: Path) -> None:
        places.append(path)
        if path.is_relative_to(cache):
            raise error
        path.write_bytes(b"made")

    assert kernel_cache.fetch("name", build_) == b"made"
    assert [place.is_relative_to(cache) for place in places] == [True, False]
    assert not places[1].exists() and not list(cache.rglob("name*.pt2")) and not list(cache.rglob("*.build"))


def test_an_error_of_the_compiler_is_no_full_disk(cache):
    calls = []

    def build_(path: Path, scratch: Path) -> None:
        calls.append(path)
        raise BuildError("error: expected ';'")

    with pytest.raises(BuildError, match="expected ';'"):
        kernel_cache.fetch("name", build_)
    assert len(calls) == 1


def test_no_room_anywhere_names_both_places(cache):
    def build_(path: Path, scratch: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=f"no room to compile in: neither {cache}.* nor /.*No space left"):
        kernel_cache.fetch("name", build_)


def test_a_function_is_compiled_once(cache, builds):
    x = np.array([2.0, 3.0])
    assert function()(x).tolist() == function()(x).tolist() == [5.0, 10.0]
    assert count(builds) == 1
    entry, note = kept(cache), json.loads(kept(cache).with_suffix(".so.note").read_text())
    assert note["what"].startswith("parabola(x[2]) -> y[2], double")
    assert note["bytes"] == entry.stat().st_size


def test_damaged_files_are_built_again(cache, builds):
    x = np.array([2.0, 3.0])
    function()(x)
    path = kept(cache)
    content = path.read_bytes()
    for damage in (content[: len(content) // 2], b"", content[:100] + b"\xff" + content[101:]):
        path.unlink()  # a file in use keeps its content
        path.write_bytes(damage)
        before = count(builds)
        assert function()(x).tolist() == [5.0, 10.0]
        assert count(builds) == before + 1
    path.with_suffix(".so.note").write_text("{")
    assert function()(x).tolist() == [5.0, 10.0]
    path.unlink()
    assert function()(x).tolist() == [5.0, 10.0]
    assert count(builds) == 6


def test_what_shapes_the_code_shapes_the_name(monkeypatch):
    names = []
    monkeypatch.setattr(kernel_cache, "load", lambda name, *_, **__: names.append(name))
    program = function().program
    library(program)
    library(program)
    assert names[0] == names[1] and names[0].startswith("parabola_")
    library(program, "float")
    monkeypatch.setattr(toolchain, "FLAGS", (*toolchain.FLAGS, "-O3"))
    library(program)
    monkeypatch.setattr(toolchain, "runtime_headers", lambda: "others")
    library(program)
    monkeypatch.setattr(toolchain, "compiler_version", lambda _: "another")
    library(program)
    assert len(set(names)) == 5


def call(start: float, found: multiprocessing.Queue) -> None:
    time.sleep(max(start - time.time(), 0))
    found.put(function()(np.array([2.0, 3.0])).tolist())


def test_eight_processes_at_once(cache, builds):
    """Forked after tracing was loaded, they compile at the same moment; the lock lets one do it."""
    processes = multiprocessing.get_context("fork")
    found = processes.Queue()
    start = time.time() + 0.5
    workers = [processes.Process(target=call, args=(start, found)) for _ in range(8)]
    for worker in workers:
        worker.start()
    results = [found.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert results == [[5.0, 10.0]] * 8
    assert count(builds) == 1
    assert not list((cache / "jit").glob("*.build"))


def race(start: float, name: str, content: bytes, found: multiprocessing.Queue) -> None:
    def slowly(path: Path, scratch: Path) -> None:
        with path.open("wb") as file:
            for k in range(0, len(content), 1 << 16):
                file.write(content[k : k + (1 << 16)])
                file.flush()
                time.sleep(0.002)

    time.sleep(max(start - time.time(), 0))
    for _ in range(5):
        read = kernel_cache.load(name, slowly, Path.read_bytes, ".bin")
        found.put(read == content)


@pytest.mark.parametrize("locks", [True, False])
def test_nobody_reads_half_a_file(cache, monkeypatch, locks):
    """Also where the file system has no locks, while entries are removed all the time."""
    if not locks:
        monkeypatch.setattr(kernel_cache.fcntl, "flock", refuse)
    processes = multiprocessing.get_context("fork")
    found, content = processes.Queue(), os.urandom(1 << 20)
    start = time.time() + 0.2
    workers = [processes.Process(target=race, args=(start, "shared", content, found)) for _ in range(8)]
    for worker in workers:
        worker.start()
    results = []
    for _ in range(40):
        results.append(found.get(timeout=60))
        if locks:
            kernel_cache.clear("jit")
    for worker in workers:
        worker.join()
    assert all(results) and [w.exitcode for w in workers] == [0] * 8


def refuse(*_: object) -> None:
    raise OSError("no locks here")


def test_a_build_that_fails_leaves_nothing(cache):
    def broken(path: Path, scratch: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("compiler crashed")

    with pytest.raises(RuntimeError, match="compiler crashed"):
        kernel_cache.load("thing", broken, Path.read_bytes)
    assert kernel_cache.load("thing", write(b"whole"), Path.read_bytes) == b"whole"


def test_a_file_that_cannot_be_loaded_is_built_once_more(cache):
    kernel_cache.load("thing", write(b"for another machine"), Path.read_bytes)
    with pytest.raises(OSError):
        kernel_cache.load("thing", write(b"neither"), lambda path: ctypes.CDLL(str(path)))
    assert kernel_cache.load("thing", write(b"unused"), Path.read_bytes) == b"neither"


def test_the_cache_is_bounded(cache, monkeypatch):
    monkeypatch.setitem(kernel_cache.LIMITS, "jit", 3000)
    for k in range(6):
        kernel_cache.load(f"entry{k}", write(bytes(1000)), Path.read_bytes)
        os.utime(cache / "jit" / f"entry{k}.so", (k, k))
        kernel_cache.load("entry0", write(bytes(1000)), Path.read_bytes)  # used all the time
    names = {entry.path.stem for entry in kernel_cache.entries("jit")}
    assert names == {"entry0", "entry4", "entry5"}
    assert {path.stem for path in (cache / "jit").glob("*.lock")} == names
    kernel_cache.load("large", write(bytes(9000)), Path.read_bytes)
    assert [entry.path.stem for entry in kernel_cache.entries("jit")] == ["large"]


def test_without_a_place_to_write_functions_still_compile(monkeypatch):
    monkeypatch.setenv("NEML2_CACHE_DIR", "/dev/null/nowhere")
    assert function()(np.array([2.0, 3.0])).tolist() == [5.0, 10.0]


def test_where_the_cache_is(monkeypatch):
    monkeypatch.delenv("NEML2_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert kernel_cache.folder("jit") == Path("/somewhere/neml2/jit")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert kernel_cache.folder("jit") == Path.home() / ".cache" / "neml2" / "jit"
    monkeypatch.setenv("NEML2_CACHE_DIR", "/elsewhere")
    assert kernel_cache.folder() == Path("/elsewhere/kernels")


def test_without_a_compiler_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(toolchain.BuildError, match="'no-such-compiler' cannot be run; install g\\+\\+ or set CXX"):
        function()(np.zeros(2))


@pytest.mark.skipif(CLANG is None, reason="clang++ is not installed")
def test_the_compiler_is_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("CXX", CLANG)
    residual = NumericalFunction(lambda u, a: torch.exp(u) - a, {"u": (), "a": ()}, "r", name="exponential")
    logarithm = Newton(residual, name="logarithm", abs_tol=1e-14, rel_tol=0.0)
    a = np.linspace(0.5, 3, 11)
    np.testing.assert_allclose(logarithm(0.0, a), np.log(a), rtol=1e-14, atol=1e-14)


def test_command_lists_and_clears(cache):
    kernel_cache.load("one", write(bytes(2048)), Path.read_bytes, what="one(x) -> y")
    kernel_cache.fetch("two", write(bytes(10)))
    listed = run_tool("cache", "list").stdout
    assert "2.0 KiB" in listed and "one(x) -> y" in listed and "kernels: 1 files, 10 B" in listed
    rows = json.loads(run_tool("cache", "list", "--json").stdout)
    assert {(r["kind"], r["bytes"], r["what"]) for r in rows} == {("jit", 2048, "one(x) -> y"), ("kernels", 10, "two")}
    assert run_tool("cache", "path").stdout.strip() == str(cache)
    assert run_tool("cache", "path", "--kind", "jit").stdout.strip() == str(cache / "jit")
    assert "jit: removed 1 files, 2.0 KiB" in run_tool("cache", "clear", "--kind", "jit").stdout
    assert not list((cache / "jit").iterdir()) and kernel_cache.entries("kernels")
    assert run_tool("cache", "clear").returncode == 0
    assert "0 files" in run_tool("cache", "list").stdout
    assert run_tool("cache", "burn").returncode == 2

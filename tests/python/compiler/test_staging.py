# SPDX-License-Identifier: MIT
"""Folders that take their place in one step, whatever else is going on."""

from __future__ import annotations

import errno
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neml2.compiler.package import staging
from neml2.compiler.package.staging import staged


def write(target: Path, text: str) -> None:
    with staged(target) as new:
        (new / "a").write_text(text)
        (new / "b").write_text(text)


def content(target: Path) -> str:
    a, b = (target / "a").read_text(), (target / "b").read_text()
    assert a == b
    return a


@pytest.fixture(params=["exchange", "no exchange"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "no exchange":  # as on a network file system
        monkeypatch.setattr(staging, "_exchange", lambda one, other: False)
    return tmp_path / "out" / "cpu"


def test_a_new_folder_takes_the_place_of_the_old_one(target: Path) -> None:
    write(target, "first")
    write(target, "second")
    assert content(target) == "second"
    assert os.listdir(target.parent) == ["cpu"]


def test_an_exception_leaves_what_was_there(target: Path) -> None:
    write(target, "first")
    with pytest.raises(ZeroDivisionError), staged(target) as new:
        (new / "a").write_text("second")
        raise ZeroDivisionError
    assert content(target) == "first" and os.listdir(target.parent) == ["cpu"]


def test_a_file_or_a_link_in_its_place_goes(target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_text("a file")
    write(target, "first")
    elsewhere = target.parent.parent / "elsewhere"
    target.rename(elsewhere)
    target.symlink_to(elsewhere)
    write(target, "second")
    assert content(target) == "second" and content(elsewhere) == "first"


def _write_often(target: Path, name: str, exchange: bool) -> None:
    if not exchange:
        staging._exchange = lambda one, other: False
    for k in range(100):
        write(target, f"{name}{k}")


def test_two_processes_can_write_one_folder(target: Path) -> None:
    exchange = staging._exchange.__name__ != "<lambda>"
    context = mp.get_context("fork")
    processes = [context.Process(target=_write_often, args=(target, name, exchange)) for name in "xy"]
    for process in processes:
        process.start()
    seen = False
    while exchange and any(p.is_alive() for p in processes):
        there = target.is_dir()
        assert there or not seen, "once it is there it is never missing"
        seen = there
        time.sleep(1e-4)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert content(target) in ("x99", "y99") and os.listdir(target.parent) == ["cpu"]


SLEEPER = """
import sys, time
from pathlib import Path
from neml2.compiler.package.staging import staged
with staged(Path(sys.argv[1])) as new:
    (new / "a").write_text("half")
    print("there", flush=True)
    sys.stdin.read()
    (new / "b").write_text("half")
"""


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_uses_is_not(tmp_path: Path) -> None:
    target = tmp_path / "cpu"
    write(target, "first")
    command = [sys.executable, "-c", SLEEPER, str(target)]
    killed, running = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    for process in (killed, running):
        assert process.stdout is not None and process.stdout.readline() == "there\n"
    assert len(os.listdir(tmp_path)) == 3
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    write(target, "second")
    assert content(target) == "second" and len(os.listdir(tmp_path)) == 2
    running.communicate("")
    assert running.returncode == 0 and (target / "a").read_text() == "half" and os.listdir(tmp_path) == ["cpu"]


def test_a_package_that_a_killed_process_had_taken_away_comes_back(tmp_path: Path) -> None:
    """Where names cannot be exchanged, and in earlier versions, a killed process may have just moved it."""
    for place in (".cpu-abcd1234/old", ".cpu-old-abcd1234/cpu"):
        old = tmp_path / place
        old.mkdir(parents=True)
        (old / "a").write_text("kept")
        staging.remove_stale(tmp_path / "cpu")
        assert (tmp_path / "cpu" / "a").read_text() == "kept" and os.listdir(tmp_path) == ["cpu"]
        (tmp_path / "cpu" / "a").unlink()
        (tmp_path / "cpu").rmdir()


def test_other_hidden_folders_stay(tmp_path: Path) -> None:
    for name in (".cpu-notes", ".cpu", ".cpu2-abcd1234", ".git"):
        (tmp_path / name).mkdir()
    write(tmp_path / "cpu", "first")
    assert sorted(os.listdir(tmp_path)) == [".cpu", ".cpu-notes", ".cpu2-abcd1234", ".git", "cpu"]


@pytest.mark.parametrize("code", staging.FULL)
def test_a_full_disk_is_said_with_the_path(target: Path, code: int) -> None:
    write(target, "first")
    with pytest.raises(OSError, match=r"cannot write .*out/cpu: .*; what was there is unchanged"), staged(target):
        raise OSError(code, os.strerror(code))
    assert content(target) == "first" and os.listdir(target.parent) == ["cpu"]
    with pytest.raises(OSError, match="Permission denied"), staged(target):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

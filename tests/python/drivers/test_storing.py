# SPDX-License-Identifier: MIT
"""Results in files: nothing else is written over, and a file is there whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from driver_inputs import DECAY

from neml2.drivers import storing
from neml2.errors import InvalidOption
from neml2.hit import load_input

INCLUDED = "[Tensors]\n[data]\ntype = CSVScalar\ncsv_file = 'data.csv'\ncolumn_names = 'a'\n[]\n[]\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "input.i").write_text(DECAY + INCLUDED)
    (tmp_path / "data.csv").write_text("a\n1\n2\n")
    return tmp_path


def run(folder, save_as):
    return load_input(folder / "input.i", additional_args=[f"Drivers/driver/save_as={save_as}"]).get_driver("driver")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("save_as", ["input.i", "./input.i", "link.i", "hard.i", "data.csv", "reference.pt"])
def test_what_the_input_reads_is_kept(folder, save_as):
    (folder / "link.i").symlink_to("input.i")
    os.link(folder / "input.i", folder / "hard.i")
    (folder / "reference.pt").write_bytes(b"the truth")
    before = contents(folder)
    with pytest.raises(InvalidOption, match="is read by this input; name another file"):
        run(folder, save_as).run()
    assert contents(folder) == before


def test_only_regular_files_are_written_over(folder):
    os.mkfifo(folder / "pipe")
    (folder / "inner").mkdir()
    (folder / "null").symlink_to("/dev/null")
    for save_as, text in (("pipe", "pipe or socket"), ("null", "device"), ("/dev/null", "device"), ("inner", "folder")):
        driver = run(folder, save_as)
        with pytest.raises(InvalidOption, match=text):
            driver.run()
        with pytest.raises(InvalidOption, match=text):
            driver.save(folder / save_as)
    assert Path("/dev/null").is_char_device()


def test_an_old_result_is_replaced_behind_a_link(folder):
    (folder / "far").mkdir()
    (folder / "result.pt").symlink_to("far/result.pt")
    for _ in range(2):
        result = run(folder, "result.pt").run()
    assert (folder / "result.pt").is_symlink()
    saved = torch.load(folder / "far" / "result.pt", weights_only=True)
    assert list(saved) == list(result)
    assert sorted(path.name for path in (folder / "far").iterdir()) == ["result.pt"]


# A limit on the size of files stands for a full disk: writing fails half-way.
FULL = """
import resource, sys
from neml2.hit import load_input
source = load_input(sys.argv[1], additional_args=["Drivers/driver/save_as=result.pt", *sys.argv[2:]])
driver = source.get_driver("driver")
resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))
try:
    driver.run()
except Exception as error:
    print(type(error).__name__, error)
    print("kept", "output.11.x" in driver.result())
"""


def on_a_full_disk(folder, *overrides):
    command = [sys.executable, "-c", FULL, str(folder / "input.i"), *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_costs_nothing(folder):
    (folder / "result.pt").write_bytes(b"old")
    before = contents(folder)
    said = on_a_full_disk(folder)
    assert said.startswith("OSError") and str(folder / "result.pt") in said
    assert "what stood there is as it was; make room" in said and "kept True" in said
    assert contents(folder) == before


def test_a_full_disk_does_not_hide_why_a_run_stopped(folder):
    said = on_a_full_disk(folder, "Models/rate/weights:='10'")
    assert said.startswith("ConvergenceError") and "step 1 of 20" in said and "in memory only" in said


def test_every_error_names_the_path(tmp_path, monkeypatch):
    def refuse(self, other):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError, match="make room or permit") as caught:
        storing.replace(tmp_path / "result.pt", lambda file: torch.save({"a": torch.zeros(1)}, file))
    assert caught.value.filename == str(tmp_path / "result.pt")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/result\.pt"):
        storing.replace(tmp_path / "file" / "result.pt", lambda file: torch.save({}, file))

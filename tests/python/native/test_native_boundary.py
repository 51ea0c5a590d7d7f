# SPDX-License-Identifier: MIT
"""The C boundary of a kernel: calls that cannot be are refused with a reason, and nothing of torch is needed."""

from __future__ import annotations

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import built, explicit, from_text, steps_of, viscoplastic

from neml2.compiler.backends.native import host, toolchain
from neml2.compiler.backends.native.text import kernel
from neml2.compiler.graph.assemble import assemble
from neml2.compiler.graph.pointgraph import PointGraph
from neml2.compiler.graph.program import Argument, Assign
from neml2.compiler.package import isa

FOLDER = Path(__file__).parent


def program():
    return explicit([6, 1], lambda g, x, y: [g.mul(g.make("exp", y[0]), v) for v in x], [(0, 0), (0, 1)])


def test_messages_name_what_is_wrong():
    library = built(program())
    x = np.ones((20, 6))
    with pytest.raises(host.CallError, match=r"inputs\[1\] \('x1'\) is null"):
        library.forward({"x0": x})
    with pytest.raises(host.CallError, match="multiple of"):
        library.forward({"x0": x, "x1": np.ones((20, 1))}, span=(1, 20))
    with pytest.raises(host.CallError, match="expected 0 <= begin <= end <= points"):
        library.forward({"x0": x, "x1": np.ones((20, 1))}, span=(0, 21))


def test_solver_settings_are_checked():
    library = built(from_text(viscoplastic(), "update")[1])
    values = {s.name: np.zeros((3, *s.shape)) for s in library.inputs}
    for field, value in (("max_its", 0), ("abs_tol", np.inf), ("rel_tol", -1.0), ("update_tol", np.nan),
                         ("criterion", np.nan), ("max_line_search", -1), ("cutback", 1.0)):  # fmt: skip
        bad = host.Solver.from_buffer_copy(library.solvers[0])
        bad.line_search = 1
        setattr(bad, field, value)
        with pytest.raises(host.CallError, match="settings"):
            library.forward(values, solvers=[bad])
    with pytest.raises(host.CallError, match="1"):
        library.forward(values, solvers=[bad, bad])


@pytest.mark.parametrize("level", [isa.best(), "generic"])
def test_fuzz_under_sanitizers(tmp_path, level):
    """Bad sizes, null pointers, misaligned and overlapping buffers, from C++, next to red zones."""
    (tmp_path / "kernel.cpp").write_text(kernel.source(program()))
    flags = [f for f in toolchain.FLAGS if f not in ("-shared", "-w", "-O2")]
    command = [toolchain.compiler(), *flags, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
               f"-march={isa.LEVELS[level][0]}", f"-I{toolchain.include_folder()}", str(tmp_path / "kernel.cpp"),
               str(FOLDER / "fuzz_boundary.cpp"), "-o", str(tmp_path / "fuzz")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if "cannot find" in done.stderr and "asan" in done.stderr:
        pytest.skip("no sanitizers here")
    assert done.returncode == 0, done.stderr
    ran = subprocess.run(
        [str(tmp_path / "fuzz")], capture_output=True, text=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_kernels_link_against_nothing_of_torch(tmp_path):
    library = toolchain.build(kernel.source(program()), tmp_path / "k.so")
    needed = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True)
    if needed.returncode:
        pytest.skip("no readelf here")
    names = [line.split("[")[1].rstrip("]") for line in needed.stdout.splitlines() if "NEEDED" in line]
    assert all(n.startswith(("libc.", "libm.", "libstdc++", "libgcc_s", "ld-linux")) for n in names), names
    symbols = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True).stdout
    assert [s.split()[-1] for s in symbols.splitlines() if " T " in s] == ["neml2_native_model_v1"]


# ---- where arrays may lie --------------------------------------------------------------------------------------------


class Raw:
    """Calls with arrays that lie in one buffer of doubles, at offsets and strides in elements."""

    def __init__(self, library: host.Library, points: int) -> None:
        self.library, self.points = library, points
        self.groups: dict[str, list[host._Array]] = {"inputs": [], "outputs": [], "tangents": [], "derivatives": []}
        self._kept: list[object] = []
        self.call = host._Call(bytes=ctypes.sizeof(host._Call), points=points, end=points)

    def add(self, group: str, buffer: np.ndarray, offset: int, size: int, stride: int, spacing: int = 1) -> None:
        data = buffer.ctypes.data + 8 * offset
        array = host._Array(data=data, size=size, stride=stride)
        if spacing != 1:
            offsets = (ctypes.c_int64 * size)(*(spacing * c for c in range(size)))
            self._kept.append(offsets)
            array.component_offsets = ctypes.addressof(offsets)
        self._kept.append(buffer)
        self.groups[group].append(array)

    def run(self) -> str:
        """The message of a call that is refused, or nothing."""
        kind = ("forward", "jacobian", "vjp")[bool(self.groups["derivatives"]) + bool(self.groups["tangents"])]
        for group, arrays in self.groups.items():
            setattr(self.call, group, (host._Array * max(len(arrays), 1))(*arrays))
            setattr(self.call, f"n_{group}", len(arrays))
        code = getattr(self.library._model, kind)(ctypes.byref(self.call))
        assert code in (host.OK, host.BAD_CALL)
        return self.call.message.decode() if code else ""


@cache
def two_outputs() -> host.Library:
    """y0 = 2 x (2 components) and y1 = x0 x1."""
    graph = PointGraph()
    x = [graph.input(0), graph.input(1)]
    nodes = [*(graph.mul(graph.const(2.0), v) for v in x), graph.mul(*x)]
    outputs = [Argument("y0", "Vec", (2,), 2), Argument("y1", "Scalar", (), 4)]
    steps = [Assign([(2 + i, n) for i, n in enumerate(nodes)])]
    return built(assemble("two", graph, [Argument("x", "Vec", (2,), 0)], 0, outputs, [(0, 0)], steps, 5))


@pytest.mark.parametrize("points", [1, 2, 3, 9, 40])
def test_results_may_be_fields_of_one_structure(points):
    """Stress, a scalar and a tangent of each point, side by side in an array of structures."""
    library, x, record = two_outputs(), np.random.default_rng(0).normal(size=(points, 2)), np.full((points, 8), -1.0)
    call = Raw(library, points)
    call.add("inputs", x, 0, 2, 2)
    call.add("outputs", record, 0, 2, 8)
    call.add("outputs", record, 2, 1, 8)
    call.add("derivatives", record, 3, 4, 8)
    assert call.run() == ""
    np.testing.assert_array_equal(record[:, :2], 2 * x)
    np.testing.assert_array_equal(record[:, 2], x[:, 0] * x[:, 1])
    np.testing.assert_array_equal(record[:, 3:7], np.tile([2.0, 0, 0, 2], (points, 1)))
    assert (record[:, 7] == -1).all()


def test_a_sum_grows_apart_from_what_all_points_read():
    """y0 = 2 x of one x for all points: its cotangent is a sum, which must not lie on x, though x is read at each."""
    x, y, cotangents = np.array([1.0, 2.0]), np.zeros((40, 3)), np.ones((40, 3))
    found = np.zeros(2)
    where = "derivatives[0] overlaps "
    for place, refused in ((found, ""), (x, where + "inputs[0]"), (y, where + "outputs[0]")):
        call = Raw(two_outputs(), 40)
        call.add("inputs", x, 0, 2, 0)
        for group, buffer in (("outputs", y), ("tangents", cotangents)):
            call.add(group, buffer, 0, 2, 3)
            call.add(group, buffer, 2, 1, 3)
        call.add("derivatives", place, 0, 2, 0)
        assert call.run().startswith(refused) and bool(call.run()) == bool(refused)
    assert found.tolist() == [160.0, 160.0]  # two calls, each of which adds


def elements(points: int, offset: int, size: int, stride: int, spacing: int) -> np.ndarray:
    """(points, size)"""
    return offset + stride * np.arange(points)[:, None] + spacing * np.arange(size)


@settings(max_examples=400, deadline=None)
@given(
    points=st.integers(1, 12),
    offsets=st.lists(st.integers(0, 12), min_size=2, max_size=2),
    strides=st.lists(st.integers(-9, 9), min_size=2, max_size=2),
    spacing=st.sampled_from([1, 1, 2, 5, 20]),
    same=st.booleans(),
)
def test_results_that_are_accepted_are_right(points, offsets, strides, spacing, same):
    """A call is refused where two results meet; never where they are evenly spaced fields that do not."""
    if same:
        strides[1] = strides[0]
    buffer, x = np.zeros(400), np.random.default_rng(0).normal(size=(points, 2))
    places = [
        elements(points, 150 + offsets[0], 2, strides[0], spacing),
        elements(points, 150 + offsets[1], 1, strides[1], 1),
    ]
    call = Raw(two_outputs(), points)
    call.add("inputs", x, 0, 2, 2)
    call.add("outputs", buffer, 150 + offsets[0], 2, strides[0], spacing)
    call.add("outputs", buffer, 150 + offsets[1], 1, strides[1])
    refused = call.run()
    every = np.concatenate([p.reshape(-1) for p in places])
    apart = len(set(every.tolist())) == every.size
    if not refused:
        assert apart
        np.testing.assert_array_equal(buffer[places[0]], 2 * x)
        np.testing.assert_array_equal(buffer[places[1]][:, 0], x[:, 0] * x[:, 1])
    elif apart:
        assert not same or spacing != 1, refused


@pytest.mark.parametrize("points", [1, 3, 9, 40])
def test_new_state_over_old(points):
    """In place, bit for bit as with arrays of their own: in a structure, and with components apart."""
    library = built(from_text(viscoplastic(), "model", ["stress:strain"])[1])
    values = steps_of(points)
    expected, blocks, _ = library.jacobian(values)
    size = {s.name: max(s.size, 1) for s in (*library.inputs, *library.outputs)}
    record = np.zeros((points, 8))
    record[:, :6], record[:, 6] = values["stress~1"], values["equivalent_plastic_strain~1"]
    place = {"stress": (0, 6), "equivalent_plastic_strain": (6, 1), "equivalent_stress": (7, 1)}
    call = Raw(library, points)
    for slot in library.inputs:
        name = slot.name.removesuffix("~1")
        if name in place and slot.name != name:
            call.add("inputs", record, *place[name], 8)
        else:
            value = np.ascontiguousarray(values[slot.name])
            call.add("inputs", value, 0, size[slot.name], size[slot.name])
    for slot in library.outputs:
        call.add("outputs", record, *place[slot.name], 8)
    tangent = np.zeros((points, 6, 6))
    call.add("derivatives", tangent, 0, 36, 36)
    assert call.run() == ""
    for name, (start, count) in place.items():
        np.testing.assert_array_equal(record[:, start : start + count], np.reshape(expected[name], (points, count)))
    np.testing.assert_array_equal(tangent, blocks["stress", "strain"])


def test_a_result_over_what_other_points_read_is_refused():
    library, buffer = two_outputs(), np.zeros(64)
    for offset, stride, spacing, said in (
        (0, 2, 1, ""),
        (1, 2, 1, "outputs[0] overlaps inputs[0] of another point"),
        (0, 3, 1, "outputs[0] overlaps inputs[0] of another point"),
        (0, -2, 1, "outputs[0] overlaps inputs[0] of another point"),
        (0, 2, 20, "outputs[0] overlaps inputs[0] of another point"),
    ):
        call = Raw(library, 5)
        call.add("inputs", buffer, 20, 2, 2)
        call.add("outputs", buffer, 20 + offset, 2, stride, spacing)
        call.add("outputs", np.zeros(5), 0, 1, 1)
        assert call.run() == said


def test_results_that_overlap_themselves_are_refused():
    call = Raw(two_outputs(), 5)
    call.add("inputs", np.zeros(10), 0, 2, 2)
    call.add("outputs", np.zeros(40), 0, 2, 2, 4)  # the second component of a point is the first of another
    call.add("outputs", np.zeros(5), 0, 1, 1)
    assert call.run() == "outputs[0] overlaps itself"

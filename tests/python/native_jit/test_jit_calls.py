# SPDX-License-Identifier: MIT
"""Calls of compiled functions: arrays, batches, and what is refused."""

from __future__ import annotations

import threading

import jit_functions as cases
import numpy as np
import pytest
import torch

from neml2.compiler.frontend.capture import CaptureError
from neml2.native import Newton, NumericalFunction

A, X, B = np.zeros((2, 3)), np.zeros(3), np.zeros(2)


@pytest.fixture(scope="module")
def affine() -> NumericalFunction:
    return NumericalFunction(lambda a, x, b: (a @ x + b, b * 2), {"a": (2, 3), "x": (3,), "b": (2,)}, ["y", "twice"],
                             name="affine")  # fmt: skip


def test_arrays_give_arrays_and_tensors_give_tensors(affine):
    a, x, b = np.arange(6.0).reshape(2, 3), np.ones(3), np.zeros(2)
    y, twice = affine(a, x, b)
    assert isinstance(y, np.ndarray) and y.tolist() == [3.0, 12.0] and twice.shape == (2,)
    y, _ = affine(torch.from_numpy(a), torch.from_numpy(x), b=b)
    assert isinstance(y, torch.Tensor) and y.tolist() == [3.0, 12.0]


def test_batch_axes_broadcast(affine):
    random = np.random.default_rng(3)
    a, x, b = random.normal(size=(5, 1, 2, 3)), random.normal(size=(7, 3)), random.normal(size=2)
    y, twice = affine(a, x, b)
    np.testing.assert_allclose(y, np.einsum("...ij,...j->...i", a, x) + b, rtol=1e-13)
    assert twice.shape == (5, 7, 2)


def test_no_points_give_no_points(affine):
    y, _ = affine(np.zeros((0, 2, 3)), np.zeros(3), np.zeros(2))
    assert y.shape == (0, 2)


def test_any_strides_are_read(affine):
    a = np.asfortranarray(np.random.default_rng(4).normal(size=(9, 2, 3)))
    x = np.arange(54.0).reshape(9, 6)[:, ::-2]
    y, _ = affine(a, x, np.zeros(2))
    np.testing.assert_allclose(y, np.einsum("pij,pj->pi", a, x), rtol=1e-13)


RECORD = np.dtype([("n", "i4"), ("a", "f8", (2, 3)), ("x", "f8", 3), ("b", "f8", 2)])  # 92 bytes, packed
PADDED = np.dtype({"names": ["a", "x", "b"], "formats": [("f8", (2, 3)), ("f8", 3), ("f8", 2)], "offsets": [4, 52, 76],
                   "itemsize": 96})  # fmt: skip


def filled(dtype: np.dtype, *shape: int) -> np.ndarray:
    records = np.zeros(shape, dtype)
    for seed, name in enumerate(("a", "x", "b")):
        records[name] = np.random.default_rng(seed).normal(size=records[name].shape)
    return records


@pytest.mark.parametrize("view", [lambda r: r, lambda r: r[::-1], lambda r: r[1::2], lambda r: r[:1]])
@pytest.mark.parametrize("dtype", [RECORD, PADDED], ids=["strides in no elements", "not aligned"])
def test_fields_of_records_are_read(affine, dtype, view):
    for records in (view(filled(dtype, 9)), filled(dtype, 3, 4).T, filled(dtype, 1)[0]):
        y, twice = affine(records["a"], records["x"], records["b"])
        np.testing.assert_allclose(
            y, np.einsum("...ij,...j->...i", records["a"], records["x"]) + records["b"], rtol=1e-13
        )
        assert np.array_equal(twice, records["b"] * 2)


def test_a_solver_reads_fields_of_records():
    residual = NumericalFunction(lambda u, c: u * u * u + u - c, {"u": (), "c": ()}, ["r"], name="cubic")
    records = np.zeros(11, np.dtype([("n", "u1"), ("u", "f8"), ("c", "f8")]))
    records["c"] = np.linspace(-3, 3, 11)
    u = Newton(residual, rel_tol=1e-14)(records["u"], records["c"])
    np.testing.assert_allclose(u**3 + u, records["c"], atol=1e-12)


def freed(tensor: torch.Tensor) -> torch.Tensor:
    tensor.untyped_storage().resize_(0)
    return tensor


@pytest.fixture(scope="module")
def many_unknowns():
    """u + u^3 = a, of more unknowns than 12, so that two points are computed one after the other."""
    residual = NumericalFunction(lambda u, a: u + u**3 - a, inputs={"u": 14, "a": 14}, outputs=["r"], name="cubics")
    return Newton(residual, unknown="u", abs_tol=1e-13)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2), (1, 2, 1), (2, 2)])
def test_few_points_along_several_axes(many_unknowns, shape):
    exact = np.linspace(-1, 1, 14 * int(np.prod(shape))).reshape(*shape, 14)
    given = exact + exact**3
    np.testing.assert_allclose(many_unknowns(0.5 * exact, given), exact, rtol=1e-9)
    every_other = np.stack([given, np.full_like(given, np.nan)], -1)[..., 0]
    np.testing.assert_allclose(many_unknowns(0.5 * exact, every_other), exact, rtol=1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind",
    [freed, torch.Tensor.to_sparse, lambda t: torch._efficientzerotensor(3), lambda t: torch.nested.nested_tensor([t]),
    ],
    ids=["freed", "sparse", "all zeros", "nested"],
)  # fmt: skip
def test_tensors_without_memory_are_refused(affine, kind):
    with pytest.raises((TypeError, ValueError), match="affine: 'x' "):
        affine(A, kind(torch.zeros(3, dtype=torch.float64)), B)


def test_reports_and_products_follow_no_gradients(affine):
    x = torch.zeros(3, dtype=torch.float64)
    with torch.autograd.forward_ad.dual_level(), pytest.raises(TypeError, match="'x' is a dual tensor"):
        affine.with_report(A, torch.autograd.forward_ad.make_dual(x, x), B)
    with pytest.raises(TypeError, match=r"'x' requires a gradient.*x\.detach\(\)"):
        affine.vjp({"a": A, "x": x.requires_grad_(), "b": B}, {})


def test_results_do_not_depend_on_neighbours():
    strain = cases.strains(29, 3e-3)
    everyone = cases.return_map()(np.zeros(7), strain, np.zeros(6), 0.0)
    some = cases.return_map()(np.zeros(7), strain[11:14], np.zeros(6), 0.0)
    assert np.array_equal(everyone[11:14], some)


def test_integers_and_lists_are_numbers(affine):
    y, _ = affine([[1, 0, 0], [0, 1, 0]], np.array([4, 5, 6]), [0, 1])
    assert y.tolist() == [4.0, 6.0]


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "text"),
    [
        ((A, np.zeros(4), B), {}, ValueError, r"'x' has shape \(4,\); expected \(\*batch, 3\)"),
        ((np.zeros(3), X, B), {}, ValueError, r"'a' has shape \(3,\); expected \(\*batch, 2, 3\)"),
        ((A, np.float32([1, 2, 3]), B), {}, TypeError, "'x' has dtype float32; expected float64"),
        ((A, np.zeros(3, complex), B), {}, TypeError, "'x' has dtype complex128"),
        ((np.zeros((4, 2, 3)), np.zeros((5, 3)), B), {}, ValueError, r"do not broadcast: 'a' \(4,\), 'x' \(5,\)"),
        ((A,), {}, TypeError, r"'x', 'b' missing; it takes \(a, x, b\)"),
        ((1, 2, 3, 4), {}, TypeError, "4 arguments given"),
        ((A, X), {"bb": 1}, TypeError, "no argument 'bb'; did you mean 'b'"),
        ((A, X), {"x": 1}, TypeError, "'x' is given twice"),
        ((torch.zeros(2, 3, device="meta"), X, B), {}, TypeError, "'a' is on device meta; expected cpu"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_named(affine, args, kwargs, error, text):
    with pytest.raises(error, match=f"^affine: .*{text}"):
        affine(*args, **kwargs)


@pytest.mark.parametrize(
    ("fn", "inputs", "outputs", "options", "error", "text"),
    [
        (lambda x: x, {"x": (2, 0)}, "y", {}, ValueError, "'x': shape .* holds nothing"),
        (lambda x: x, {"x": "two"}, "y", {}, TypeError, "'x': 'two' is no shape"),
        (lambda x: x, {"x": 2}, ["y", "y"], {}, ValueError, "output 'y' is there twice"),
        (lambda x: x, {"x": 2}, [], {}, ValueError, "no outputs"),
        (lambda x: x, {"x": 2}, "y", {"dtype": "int"}, ValueError, "expected 'float64' or 'float32'"),
        (lambda x: x, {"x": 2, "y": 2}, "y", {}, TypeError, r"cannot be called with the inputs \(x, y\)"),
        (lambda b, a: a, {"a": 2, "b": 2}, "y", {}, TypeError, "another order than the inputs"),
        (3, {"x": 2}, "y", {}, TypeError, "expected a function, not int"),
    ],
)
def test_definitions_that_make_no_sense_are_refused(fn, inputs, outputs, options, error, text):
    with pytest.raises(error, match=text):
        NumericalFunction(fn, inputs, outputs, **options)


def test_functions_that_cannot_be_traced_say_why():
    def branches(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(CaptureError, match="branches cannot be captured"):
        NumericalFunction(branches, {"x": 2}, "y").compile()
    with pytest.raises(CaptureError, match=r"spectrum cannot be captured .*torch.fft_r2c is not supported"):
        NumericalFunction(lambda x: torch.fft.fft(x).real, {"x": 2}, "y", name="spectrum").compile()
    with pytest.raises(TypeError, match=r"two returned \(Tensor, Tensor\); expected tensors: y"):
        NumericalFunction(lambda x: (x, x), {"x": 2}, "y", name="two").compile()


def test_many_threads_call_a_function_for_the_first_time_at_once():
    function = NumericalFunction(lambda x: x * x + 1, {"x": 3}, "y", name="threaded")
    x, found = np.random.default_rng(5).normal(size=(8, 40, 3)), [None] * 8

    def call(k: int) -> None:
        found[k] = function(x[k])

    threads = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose(found, x * x + 1, rtol=1e-15)

# SPDX-License-Identifier: MIT
"""Operations that models need: values, first and second derivatives as torch has them, on every way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from operations import F64, NESTED, SMOOTH, VALUES

from neml2.compiler.frontend.capture import CaptureError, capture, inputs
from neml2.compiler.frontend.trace import HOLD
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.interpret import evaluate
from neml2.compiler.graph.pointgraph import PointGraph


class Captured:
    """A function of tensors as a graph, and its derivatives."""

    def __init__(self, function, arguments):
        self.graph, self.arguments = PointGraph(), arguments
        offsets = np.cumsum([0, *(a.numel() for a in arguments)])
        nodes = [inputs(self.graph, int(o), a.shape) for o, a in zip(offsets, arguments, strict=False)]
        (found,) = capture(self.graph, lambda *xs: [function(*xs)], [torch.full_like(a, 0.5) for a in arguments], nodes)
        self.shape, self.nodes, self.size = found.shape, [int(n) for n in found.reshape(-1)], int(offsets[-1])

    def derivative(self, nodes):
        return [n for row in jacobian(self.graph, nodes, range(self.size)) for n in row]

    def at(self, nodes, arguments):
        state = torch.cat([a.reshape(-1) for a in arguments]).numpy()
        return evaluate(self.graph, nodes, {k: np.array([v]) for k, v in enumerate(state)}, 1)[:, 0]


def flat(function, arguments):
    """The function of one vector."""
    sizes = [a.numel() for a in arguments]

    def f(x):
        parts = [p.reshape(a.shape) for p, a in zip(torch.split(x, sizes), arguments, strict=True)]
        return function(*parts).reshape(-1).to(F64)

    return f, torch.cat([a.reshape(-1) for a in arguments])


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_derivatives_are_those_of_torch(name):
    function, *arguments = SMOOTH[name]
    it = Captured(function, arguments)
    f, x = flat(function, arguments)
    assert it.shape == tuple(function(*arguments).shape)
    np.testing.assert_allclose(it.at(it.nodes, arguments), f(x), rtol=2e-14, atol=2e-14)
    first = it.derivative(it.nodes)
    want = torch.func.jacfwd(f)(x)
    scale = max(1.0, float(want.abs().max()))
    np.testing.assert_allclose(it.at(first, arguments), want.reshape(-1), rtol=1e-12, atol=1e-13 * scale)
    second = it.derivative(first)
    want = torch.func.jacrev(torch.func.jacrev(f))(x)  # forward over forward is wrong for torch's solve and det
    scale = max(1.0, float(want.abs().max()))
    np.testing.assert_allclose(it.at(second, arguments), want.reshape(-1), rtol=1e-11, atol=1e-12 * scale)


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_of_torch(name):
    function, *arguments = VALUES[name]
    it = Captured(function, arguments)
    np.testing.assert_allclose(it.at(it.nodes, arguments), function(*arguments).reshape(-1), rtol=2e-14)


@pytest.mark.parametrize("name", NESTED)
def test_gradients_by_reverse_mode_are_captured_and_differentiated(name):
    function, *arguments = SMOOTH[name]
    f, x = flat(function, arguments)
    gradient = torch.func.grad(lambda v: (f(v) * torch.arange(1, f(x).numel() + 1)).sum())
    it = Captured(gradient, [x])
    np.testing.assert_allclose(it.at(it.nodes, [x]), gradient(x), rtol=1e-12, atol=1e-12)
    want = torch.func.jacrev(gradient)(x)
    scale = max(1.0, float(want.abs().max()))
    np.testing.assert_allclose(it.at(it.derivative(it.nodes), [x]), want.reshape(-1), rtol=1e-11, atol=1e-12 * scale)


def test_assignment_in_what_is_differentiated_by_reverse_mode_is_refused():
    """Functionalised, torch's own gradient of it is wrong."""
    function, *arguments = SMOOTH["item assignment"]
    f, x = flat(function, arguments)
    with pytest.raises(CaptureError, match=r"operations\.py.*torch\.as_strided.*is not supported.*torch\.stack"):
        Captured(torch.func.grad(lambda v: f(v).sum()), [x])


def test_every_operation_of_the_tables_is_tried(monkeypatch):
    import test_capture
    import test_capture_reverse_mode

    from neml2.compiler.frontend import aten

    tried, original = set(VARIANTS), aten.call

    def call(scalars, target, args, kwargs):
        name = aten._name(target)
        tried.update((name, name.removesuffix("_copy")))
        return original(scalars, target, args, kwargs)

    monkeypatch.setattr(aten, "call", call)
    for function, *arguments in [*SMOOTH.values(), *VALUES.values(), *test_capture.FUNCTIONS.values()]:
        Captured(function, arguments)
    for name in NESTED:
        f, x = flat(SMOOTH[name][0], SMOOTH[name][1:])
        Captured(torch.func.grad(lambda v, f=f: (f(v) * f(v)).sum()), [x])
    for function in test_capture_reverse_mode.FUNCTIONS.values():
        Captured(torch.func.grad(function), [torch.tensor(0.37, dtype=F64)])
    assert not set(aten.HANDLERS) - tried
    assert all(name == HOLD or hasattr(torch.ops.aten, name) for name in aten.HANDLERS)


VARIANTS = ("_index_put_impl", "_reshape_copy", "_unsafe_index", "_unsafe_index_put", "norm", "detach", "lift_fresh",
            "empty", "empty_strided", "new_empty", "empty_like", "new_empty_strided", "argsort",
            "linalg_lu_solve")  # fmt: skip
"""Forms that torch chooses in other circumstances, and memory without values (test_capture_refusals)."""


def test_the_documentation_lists_the_tables():
    from pathlib import Path

    from neml2.compiler.frontend import aten

    page = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
    assert page.read_text().endswith(f"<!-- neml2.compiler.frontend.aten.listing() -->\n\n{aten.listing()}")


# ---- where derivatives are delicate ----------------------------------------------------------------------------------


def values(it, arguments):
    """Value, first and second derivative."""
    first = it.derivative(it.nodes)
    return [it.at(nodes, arguments) for nodes in (it.nodes, first, it.derivative(first))]


def test_a_norm_has_derivative_zero_at_zero():
    value, first, second = values(Captured(torch.linalg.norm, [torch.ones(3, dtype=F64)]), [torch.zeros(3, dtype=F64)])
    assert value == 0 and not first.any() and not second.any()


def test_the_determinant_has_derivatives_where_it_vanishes():
    m = torch.tensor([[1.0, 2, 3], [2, 4, 6], [0, 1, 5]], dtype=F64)
    value, first, _ = values(Captured(torch.linalg.det, [m]), [m])
    cofactors = [[14.0, -10, 2], [-7, 5, -1], [0, 0, 0]]
    np.testing.assert_allclose(value, 0, atol=1e-15)
    np.testing.assert_allclose(first.reshape(3, 3), cofactors, atol=1e-14)


def random_matrices(n, condition, count=4):
    generator = torch.Generator().manual_seed(n)
    for _ in range(count):
        u, _ = torch.linalg.qr(torch.randn(n, n, dtype=F64, generator=generator))
        v, _ = torch.linalg.qr(torch.randn(n, n, dtype=F64, generator=generator))
        yield u @ torch.diag(torch.logspace(0, -condition, n, dtype=F64)) @ v


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("condition", [0, 3, 8])
def test_solutions_are_as_good_as_the_condition_allows(n, condition):
    b = torch.linspace(-1, 1, n, dtype=F64)
    it = Captured(lambda m: torch.linalg.solve(m, b), [torch.ones(n, n, dtype=F64)])
    for m in random_matrices(n, condition):
        x = torch.linalg.solve(m, b)
        error = np.linalg.norm(it.at(it.nodes, [m]) - x.numpy())
        assert error <= 30 * n * 10.0**condition * 2.3e-16 * float(x.norm())


@pytest.mark.parametrize("n", [3, 4])
def test_the_inverse_and_its_derivative_invert(n):
    it = Captured(torch.linalg.inv, [torch.ones(n, n, dtype=F64)])
    first = it.derivative(it.nodes)
    for m in random_matrices(n, 2):
        x = it.at(it.nodes, [m]).reshape(n, n)
        np.testing.assert_allclose(x @ m.numpy(), np.eye(n), atol=1e-12)
        dx = it.at(first, [m]).reshape(n, n, n, n)
        np.testing.assert_allclose(dx, -np.einsum("ik,lj->ijkl", x, x), rtol=1e-12)


def rotation():
    return torch.linalg.qr(torch.tensor([[1.0, 2, 0.5], [-0.3, 1, 0.7], [0.2, -0.9, 1]], dtype=F64))[0]


@pytest.mark.parametrize("spectrum", [(1.0, 1, 1), (2.0, 1, 1), (1.0, 1, -3), (0.0, 0, 0), (1.0, 1 + 1e-9, 4)])
def test_functions_of_eigenvalues_keep_exact_derivatives_where_these_coincide(spectrum):
    """The sum of squares of the eigenvalues is A:A, with derivative 2 A; their extremes are convex and concave."""
    q = rotation()
    a = q @ torch.diag(torch.tensor(spectrum, dtype=F64)) @ q.T
    a = 0.5 * (a + a.T)
    it = Captured(lambda m: torch.linalg.eigvalsh(m) ** 2, [a])
    value, first, _ = values(it, [a])
    np.testing.assert_allclose(value, torch.linalg.eigvalsh(a) ** 2, atol=1e-14)
    np.testing.assert_allclose(first.reshape(3, 3, 3).sum(0), 2 * a, atol=1e-14)
    largest = Captured(lambda m: torch.linalg.eigvalsh(m)[2], [a])
    slope = largest.at(largest.derivative(largest.nodes), [a]).reshape(3, 3)
    assert np.trace(slope) == pytest.approx(1, abs=1e-14)
    for direction in (q, q.T, torch.eye(3, dtype=F64)):  # a subgradient of the largest eigenvalue
        other = a + direction + direction.T
        gap = float(torch.linalg.eigvalsh(other)[2] - torch.linalg.eigvalsh(a)[2])
        assert gap >= (slope * (other - a).numpy()).sum() - 1e-13


def test_sorting_equal_entries_keeps_their_order():
    it = Captured(lambda a: torch.sort(a)[0], [torch.ones(3, dtype=F64)])
    _, first, _ = values(it, [torch.tensor([2.0, 1.0, 1.0], dtype=F64)])
    np.testing.assert_array_equal(first.reshape(3, 3), [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_the_angle_of_the_origin():
    value, first, _ = values(Captured(torch.atan2, [torch.ones((), dtype=F64)] * 2), [torch.zeros((), dtype=F64)] * 2)
    assert value == 0 and not first.any()


@pytest.mark.parametrize("x", [1e-12, -3e-9, 1e-5, 0.3, -0.4])
def test_functions_near_zero_keep_their_digits(x):
    import math

    it = Captured(
        lambda a: torch.stack([torch.expm1(a), torch.log1p(a), torch.asinh(a), torch.atanh(a)]),
        [torch.ones((), dtype=F64)],
    )
    want = [math.expm1(x), math.log1p(x), math.asinh(x), math.atanh(x)]
    np.testing.assert_allclose(it.at(it.nodes, [torch.tensor(x, dtype=F64)]), want, rtol=1e-15)


# ---- on every way ----------------------------------------------------------------------------------------------------


LONG = ("matrix_exp", "inv of five", "spectral function")  # the others of their kind are compiled


@pytest.fixture(scope="module")
def everything():
    """All operations as functions of one vector each, and where their results are."""
    functions, at = {}, 0
    for name, (function, *arguments) in {**SMOOTH, **VALUES}.items():
        if name in LONG:
            continue
        f, x = flat(function, arguments)
        functions[name] = (f, x, slice(at, at + f(x).numel()))
        at += f(x).numel()
    return functions


@pytest.fixture(scope="module")
def native(everything):
    from neml2.native import NumericalFunction

    def together(*xs):
        return torch.cat([f(x) for x, (f, _, _) in zip(xs, everything.values(), strict=True)])

    shapes = {f"x{k}": tuple(x.shape) for k, (_, x, _) in enumerate(everything.values())}
    return NumericalFunction(lambda *xs: together(*xs), inputs=shapes, outputs=["y"], name="everything")


@pytest.mark.parametrize("points", [1, 19])
def test_native_code_computes_the_same(everything, native, points):
    rng = np.random.default_rng(7)
    given, want = [], []
    for f, x, _ in everything.values():
        batch = torch.stack([x * (1 + 1e-3 * k * float(rng.uniform())) for k in range(points)])
        given.append(batch.numpy())
        want.append(torch.stack([f(b) for b in batch]))
    found = native(*given)
    want = torch.cat(want, -1).numpy()
    for name, (_, _, where) in everything.items():
        scale = max(1.0, np.abs(want[:, where]).max())
        np.testing.assert_allclose(found[:, where], want[:, where], rtol=1e-12, atol=1e-13 * scale, err_msg=name)


def test_aoti_kernels_compute_the_same(tmp_path):
    from neml2.compiler.backends.aoti import inductor
    from neml2.compiler.plan.plan import Kernel

    names = ("erf", "atan2", "norm", "solve", "sort of three", "detached")
    graph, stores, want, state = PointGraph(), [], [], []
    for name in names:
        function, *arguments = SMOOTH[name]
        f, x = flat(function, arguments)
        (found,) = capture(graph, lambda v, f=f: [f(v)], [x], [inputs(graph, len(state), tuple(x.shape))])
        nodes = [int(n) for n in found]
        rows = jacobian(graph, nodes, range(len(state), len(state) + len(x)))
        nodes += [n for row in rows for n in row]
        stores += [(len(stores) + k, n) for k, n in enumerate(nodes)]
        want += [f(x), torch.func.jacfwd(f)(x).reshape(-1)]
        state += x.tolist()
    kernel = Kernel("operations", graph, stores, len(state), len(stores))
    inductor.compile_kernel(kernel, tmp_path / "operations.pt2", inductor.Target(), tmp_path)
    run = torch._inductor.aoti_load_package(str(tmp_path / "operations.pt2"))
    given = torch.tensor(state, dtype=F64)[None, :, None].expand(2, -1, inductor.CPU_LANES).contiguous()
    out = torch.full((2, len(stores), inductor.CPU_LANES), torch.nan, dtype=F64)
    run(given, out)
    want = torch.cat(want)[None, :, None].expand_as(out)
    torch.testing.assert_close(out, want, rtol=1e-12, atol=1e-12)

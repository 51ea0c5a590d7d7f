# SPDX-License-Identifier: MIT
"""Linear algebra of small matrices.

One list of scalar operations serves all values, so rows are exchanged by selection, not by branches. Inverses,
solutions and eigenvalues have derivatives of their own (`hold`), in terms of themselves: exact to any order, without a
trace of how they were found.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from neml2.compiler.frontend.aten.reductions import sort
from neml2.compiler.frontend.aten.scalars import Nodes, Scalars, Table, Unsupported, full, scaled

MOST_ROWS = 12
"""Of a matrix that is solved or inverted."""

_MOST_MINORS = 8
_CLOSED = 2  # rows; with three, the determinant cancels more digits than the condition of the matrix costs
_SWEEPS = 5
_DOUBLINGS = 12

Partials = list[tuple[int, int]]


def _small(x: Nodes, most: int, what: str, instead: str = "") -> None:
    if x.shape[-1] > most:
        raise Unsupported(f"{what} of {x.shape[-1]} rows ({most} at most){instead}")


# ---- determinants ----------------------------------------------------------------------------------------------------


def determinant(s: Scalars, a: Nodes) -> int:
    """By minors of the first rows, each found once: a polynomial, with derivatives where the matrix is singular."""
    g, n = s.graph, len(a)
    _small(a, _MOST_MINORS, "a determinant", "; use that of a factor")

    @cache
    def minor(columns: tuple[int, ...]) -> int:
        if not columns:
            return g.one
        row, total = len(columns) - 1, g.zero
        for k, column in enumerate(columns):
            term = g.mul(g.number(int(a[row, column])), minor(columns[:k] + columns[k + 1 :]))
            total = g.sub(total, term) if (row + k) % 2 else g.add(total, term)
        return total

    return minor(tuple(range(n)))


def _slogdet(s: Scalars, a: Any) -> tuple[Nodes, ...]:
    (found,) = s.each(lambda m: [np.asarray(determinant(s, m))], a)
    return s.map("sign", found), s.map("log", s.map("abs", found)), s.nodes(a), s.nodes(a)


# ---- inverses and solutions ------------------------------------------------------------------------------------------


def inverse(s: Scalars, a: Nodes) -> Nodes:
    """The inverse X, with dX = -X dA X."""
    g, n = s.graph, len(a)
    a = s.numbers(a)
    found = np.zeros((n, n), dtype=np.int64)
    raw = _by_cofactors(s, a) if n <= _CLOSED else _eliminate(s, a, s.nodes(np.eye(n)))
    about = tuple(map(int, a.reshape(-1)))

    def rule(i: int, j: int) -> Callable[[], Partials]:
        return lambda: [
            (int(a[k, m]), g.neg(g.mul(int(found[i, k]), int(found[m, j])))) for k in range(n) for m in range(n)
        ]

    for i, j in np.ndindex(n, n):
        found[i, j] = s.hold(raw[i, j], ("inverse", i, j, about), rule(i, j))
    return found


def _by_cofactors(s: Scalars, a: Nodes) -> Nodes:
    g, n = s.graph, len(a)
    cofactors = np.zeros((n, n), dtype=np.int64)
    for i, j in np.ndindex(n, n):
        value = determinant(s, np.delete(np.delete(a, i, 0), j, 1))
        cofactors[i, j] = g.neg(value) if (i + j) % 2 else value
    return s.map(g.div, cofactors.T, s.dot(a[0], cofactors[0]))


def _eliminate(s: Scalars, a: Nodes, b: Nodes) -> Nodes:
    """The solution of a x = b by Gauss's elimination; the largest entry of a column is exchanged to its diagonal."""
    g, n = s.graph, len(a)
    _small(a, MOST_ROWS, "a linear system", "; let an implicit update solve it")
    rows = [list(map(int, (*x, *y))) for x, y in zip(a, b, strict=True)]
    for k in range(n):
        for i in range(k + 1, n):
            larger = g.make("lt", g.make("abs", rows[k][k]), g.make("abs", rows[i][k]))
            for c in range(k, len(rows[k])):
                x, y = rows[k][c], rows[i][c]
                rows[k][c], rows[i][c] = g.where(larger, y, x), g.where(larger, x, y)
        for i in range(k + 1, n):
            factor = g.div(rows[i][k], rows[k][k])
            for c in range(k + 1, len(rows[i])):
                rows[i][c] = g.sub(rows[i][c], g.mul(factor, rows[k][c]))
    for k in range(n - 1, -1, -1):
        for c in range(n, len(rows[k])):
            for j in range(k + 1, n):
                rows[k][c] = g.sub(rows[k][c], g.mul(rows[k][j], rows[j][c]))
            rows[k][c] = g.div(rows[k][c], rows[k][k])
    return np.array([row[n:] for row in rows], dtype=np.int64).reshape(b.shape)


def solution(s: Scalars, a: Nodes, b: Nodes) -> Nodes:
    """x of a x = b for the columns of b, with dx = X (db - dA x), X the inverse."""
    g, n = s.graph, len(a)
    a, b = s.numbers(a), s.numbers(b)
    raw = s.matmul(_by_cofactors(s, a), b) if n <= _CLOSED else _eliminate(s, a, b)
    found = np.zeros(b.shape, dtype=np.int64)

    def rule(i: int, c: int) -> Callable[[], Partials]:
        def partials() -> Partials:
            x = inverse(s, a)
            moved = [(int(b[j, c]), int(x[i, j])) for j in range(n)]
            turned = [(int(a[j, k]), g.neg(g.mul(int(x[i, j]), int(found[k, c])))) for j in range(n) for k in range(n)]
            return moved + turned

        return partials

    about = (tuple(map(int, a.reshape(-1))), tuple(map(int, b.reshape(-1))), b.shape)
    for i, c in np.ndindex(*b.shape):
        found[i, c] = s.hold(raw[i, c], ("solution", i, c, about), rule(i, c))
    return found


def _stacked(s: Scalars, a: Nodes, b: Nodes, function: Callable[[Nodes, Nodes], Nodes]) -> Nodes:
    """A function of two matrices over stacks of them, broadcast."""
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    parts = [function(x, y) for x, y in zip(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), strict=True)]
    return np.stack(parts).reshape((*lead, *parts[0].shape))


def _solve(s: Scalars, a: Any, b: Any, left: bool = True) -> Nodes:
    a, b = s.nodes(a), s.nodes(b)
    vectors = b.ndim == 1 or (a.ndim == b.ndim + 1 and b.shape == a.shape[:-1])
    b = b[..., None] if vectors else b
    if not left:
        a, b = np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)
    found = _stacked(s, a, b, lambda x, y: solution(s, x, y))
    found = found if left else np.swapaxes(found, -1, -2)
    return found[..., 0] if vectors else found


def _solve_ex(s: Scalars, a: Any, b: Any, *, left: bool = True, check_errors: bool = False) -> tuple[Any, ...]:
    # in place of the factors, the matrix: `linalg_lu_solve` takes it for them
    return _solve(s, a, b, left), s.nodes(a), s.nodes(0.0), s.nodes(0.0)


def _lu_solve(s: Scalars, a: Any, pivots: Any, b: Any, *, left: bool = True, adjoint: bool = False) -> Nodes:
    return _solve(s, np.swapaxes(s.nodes(a), -1, -2) if adjoint else a, b, left)


def _inverse_ex(s: Scalars, a: Any, **_: Any) -> tuple[Nodes, Nodes]:
    return s.each(lambda m: [inverse(s, m)], a)[0], s.nodes(0.0)


def _solve_triangular(
    s: Scalars, a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Nodes:
    n = np.shape(a)[-1]
    kept = np.triu(np.ones((n, n), bool)) if upper else np.tril(np.ones((n, n), bool))
    a = np.where(kept, s.nodes(a), s.graph.zero)
    if unitriangular:
        a = np.where(np.eye(n, dtype=bool), s.graph.one, a)
    return _solve(s, a, b, left)


def _cholesky(s: Scalars, a: Any, *, upper: bool = False, check_errors: bool = False) -> tuple[Nodes, Nodes]:
    def factor(m: Nodes) -> list[Nodes]:
        g, n = s.graph, len(m)
        out = full(s, (n, n))
        for i in range(n):
            for j in range(i + 1):
                rest = g.sub(int(m[i, j]), int(s.dot(out[i, :j], out[j, :j])))
                out[i, j] = g.make("sqrt", rest) if i == j else g.div(rest, int(out[j, j]))
        return [out.T if upper else out]

    return s.each(factor, a)[0], s.nodes(0.0)


# ---- eigenvalues -----------------------------------------------------------------------------------------------------


def _jacobi(s: Scalars, a: Nodes) -> tuple[Nodes, Nodes]:
    """Eigenvalues and eigenvectors (columns) of a symmetric matrix by Jacobi's rotations, in no order."""
    g, n = s.graph, len(a)
    a, v = np.array(a), s.nodes(np.eye(n))
    half = g.const(0.5)
    for _ in range(_SWEEPS):
        for p, q in combinations(range(n), 2):
            off = int(a[p, q])
            theta = g.mul(half, g.make("div", g.sub(int(a[q, q]), int(a[p, p])), off))
            size = g.make("abs", theta)
            t = g.make("recip", g.add(size, g.make("sqrt", g.add(g.mul(theta, theta), g.one))))
            t = g.where(g.make("lt", theta, g.zero), g.neg(t), t)
            t = g.where(g.make("eq", off, g.zero), g.zero, t)
            c = g.make("recip", g.make("sqrt", g.add(g.mul(t, t), g.one)))
            sine = g.mul(t, c)
            turn = lambda x, y, c=c, sine=sine: (  # noqa: E731
                g.sub(g.mul(c, int(x)), g.mul(sine, int(y))), g.add(g.mul(sine, int(x)), g.mul(c, int(y))))  # fmt: skip
            shift = g.mul(t, off)
            a[p, p], a[q, q] = g.sub(int(a[p, p]), shift), g.add(int(a[q, q]), shift)
            a[p, q] = a[q, p] = g.zero
            for k in range(n):
                if k not in (p, q):
                    a[k, p], a[k, q] = turn(a[k, p], a[k, q])
                    a[p, k], a[q, k] = a[k, p], a[k, q]
                v[k, p], v[k, q] = turn(v[k, p], v[k, q])
    return np.diagonal(a), v


def eigenvalues(s: Scalars, a: Nodes) -> tuple[Nodes, Nodes]:
    """Ascending eigenvalues and eigenvectors (columns) of a symmetric matrix.

    dw_i = v_i . dA v_i; dv_j = sum over m != j of v_m (v_m . dA v_j) / (w_j - w_m), without the terms in which two
    eigenvalues coincide: what does not depend on the choice of eigenvectors keeps its exact derivative there.
    """
    g, n = s.graph, len(a)
    _small(a, 4, "eigenvalues", "; write out the ones that are needed")
    a = s.numbers(a)
    mean = s.map("mul", 0.5, s.map("add", a, a.T))
    raw, vectors = _jacobi(s, mean)
    raw, order = sort(s, raw)
    picked = [s.where(s.map("eq", order, float(k))[None, :], vectors[:, k : k + 1], 0.0) for k in range(n)]
    vectors = s.reduce("add", np.stack(picked), [0], False)
    w, v = np.zeros(n, dtype=np.int64), np.zeros((n, n), dtype=np.int64)
    about = tuple(map(int, a.reshape(-1)))
    pairs = list(np.ndindex(n, n))

    def value_rule(i: int) -> Callable[[], Partials]:
        return lambda: [(int(a[j, k]), g.mul(int(v[j, i]), int(v[k, i]))) for j, k in pairs]

    def vector_rule(i: int, j: int) -> Callable[[], Partials]:
        def partials() -> Partials:
            weights = [_inverse_gap(s, int(w[j]), int(w[m])) for m in range(n)]
            found = []
            for k, c in pairs:
                terms = [g.mul(g.mul(weights[m], int(v[i, m])), int(v[k, m])) for m in range(n) if m != j]
                total = int(s.reduce("add", np.array(terms, dtype=np.int64), None, False))
                found.append((int(a[k, c]), g.mul(total, int(v[c, j]))))
            return found

        return partials

    for i in range(n):
        w[i] = s.hold(raw[i], ("eigenvalue", i, about), value_rule(i))
    for i, j in pairs:
        v[i, j] = s.hold(vectors[i, j], ("eigenvector", i, j, about), vector_rule(i, j))
    return w, v


def _inverse_gap(s: Scalars, a: int, b: int) -> int:
    g = s.graph
    gap = g.sub(a, b)
    return g.where(g.make("eq", gap, g.zero), g.zero, g.make("recip", gap))


def _eigh(s: Scalars, a: Any, uplo: str = "L", compute_v: bool = True) -> tuple[Nodes, Nodes]:
    w, v = s.each(lambda m: eigenvalues(s, m), a)
    return w, v


# ---- exponentials ----------------------------------------------------------------------------------------------------


def _matrix_exp(s: Scalars, a: Any) -> Nodes:
    """Scaling and squaring of Taylor's series, as often as the norm asks for."""

    def exponential(m: Nodes) -> list[Nodes]:
        n = len(m)
        size = s.map("hold", s.reduce("add", s.map("abs", m), None, False))
        large = [s.map("lt", 0.5 * 2.0**k, size) for k in range(_DOUBLINGS)]
        scale = s.nodes(1.0)
        for condition in large:
            scale = s.map("mul", scale, s.where(condition, 0.5, 1.0))
        m, one = s.map("mul", m, scale), s.nodes(np.eye(n))
        found = one
        for k in range(14, 0, -1):
            found = s.map("add", one, s.map("mul", 1.0 / k, s.matmul(m, found)))
        for condition in large:
            found = s.where(condition, s.matmul(found, found), found)
        return [found]

    return s.each(exponential, a)[0]


# ---- products --------------------------------------------------------------------------------------------------------


def _cross(s: Scalars, a: Any, b: Any, *, dim: int = -1) -> Nodes:
    a, b = (np.moveaxis(x, dim, 0) for x in np.broadcast_arrays(s.nodes(a), s.nodes(b)))
    parts = [s.map("sub", s.map("mul", a[i], b[j]), s.map("mul", a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(parts), 0, dim)


def _product(s: Scalars, a: Any, b: Any, *_: Any, **__: Any) -> Nodes:
    return s.matmul(a, b)


def _added(s: Scalars, c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Nodes:
    return s.map("add", scaled(s, c, beta), scaled(s, s.matmul(a, b), alpha))


ALGEBRA: Table = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), _product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _added), "linalg_cross": _cross,
    "trace": lambda s, a: s.reduce("add", np.diagonal(a), None, False),
    "_linalg_det": lambda s, a: (s.each(lambda m: [np.asarray(determinant(s, m))], a)[0], s.nodes(a), s.nodes(a)),
    "_linalg_slogdet": _slogdet,
    "linalg_inv_ex": _inverse_ex, "_linalg_solve_ex": _solve_ex, "linalg_lu_solve": _lu_solve,
    "linalg_solve_triangular": _solve_triangular, "linalg_cholesky_ex": _cholesky,
    "_linalg_eigh": _eigh, "linalg_matrix_exp": _matrix_exp,
}  # fmt: skip

# SPDX-License-Identifier: MIT
"""Operations that models use: functions of tensors to capture, with arguments at which torch differentiates them."""

from __future__ import annotations

import torch

F64 = torch.float64
A = torch.tensor([0.3, 1.2, -0.7, 2.0, 0.1, -1.1], dtype=F64)
B = torch.tensor([1.3, 0.2, 0.9, 0.4, 2.2, 0.8], dtype=F64)
M = torch.tensor([[1.0, 0.2, -0.3], [0.4, 1.5, 0.6], [-0.7, 0.8, 2.0]], dtype=F64)
S = torch.tensor([[2.0, 0.3, -0.4], [0.3, 1.0, 0.6], [-0.4, 0.6, 3.0]], dtype=F64)
P = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 3.0], [4.0, 0.0, 0.0]], dtype=F64)  # regular, with zero pivots
M5 = torch.tensor(
    [[0.0, 1.0, 0.2, -0.5, 0.3], [2.0, 0.0, 0.1, 0.7, -0.2], [0.4, -0.6, 0.0, 1.5, 0.9],
     [1.1, 0.3, -0.8, 0.0, 0.5], [-0.9, 0.2, 0.6, 0.1, 0.0]], dtype=F64)  # fmt: skip
T = torch.tensor([[0.5, -0.2, 0.9], [1.1, 0.3, -0.8]], dtype=F64)


def symmetric(m):
    return 0.5 * (m + m.mT)


def assigned(a):
    out = torch.zeros(2, 3, dtype=a.dtype)
    out[0] = a[:3] ** 2
    out[1, 1:] = a[4:] * a[:2]
    out[1, 0] += a[3]
    out[:, [0, 2]] *= a[1]
    return out


def masked(a):
    out = a.clone()
    out[a < 0] = 0.0
    return out * a


def spectral(m):
    """log of a symmetric tensor, by its eigenvectors."""
    w, v = torch.linalg.eigh(symmetric(m))
    return v @ torch.diag_embed(torch.log(w)) @ v.mT


SMOOTH = {
    # entry by entry
    "erf": (lambda a: torch.erf(a) + torch.erf(2 * a) * a, A),
    "atan2": (lambda a, b: torch.atan2(a, b) + torch.atan2(b, a), A, B),
    "hypot": (torch.hypot, A, B),
    "expm1 and log1p": (lambda a, b: torch.expm1(a * 1e-6) * 1e6 + torch.log1p(b * 1e-7) * 1e7 + torch.expm1(a), A, B),
    "inverse hyperbolic": (lambda a, b: torch.asinh(a) + torch.acosh(b + 1) + torch.atanh(a / 3), A, B),
    "sinh, cosh, tanh": (lambda a: torch.sinh(a) + torch.cosh(a) * torch.tanh(a), A),
    "activations": (
        lambda a: torch.nn.functional.softplus(a) + torch.nn.functional.silu(a) + torch.sigmoid(a), A),
    "logaddexp": (lambda a, b: torch.logaddexp(a, b) + torch.special.xlogy(b, b), A, B),
    "whole numbers": (
        lambda a: a * (torch.ceil(a) + torch.trunc(a) + torch.round(3 * a)) + torch.frac(a) + torch.floor(2 * a), A),
    "remainders": (lambda a: torch.remainder(a, 0.7) * a + torch.fmod(a, 0.7) * a, A),
    "divisions": (
        lambda a, b: a * torch.div(a, b + 0.01, rounding_mode="floor")
        + torch.div(a + 0.01, b / 3, rounding_mode="trunc"), A, B),
    "lerp": (lambda a, b: torch.lerp(a, b, 0.3) + torch.lerp(a, b, b) + torch.addcdiv(a, a, b, value=2.0), A, B),
    "angles": (lambda a: torch.deg2rad(a) + torch.rad2deg(a) + torch.copysign(a, -a), A),
    "conditions": (
        lambda a, b: torch.where(torch.logical_xor(a > 0, b > 1), a * b, a) + torch.where(torch.isfinite(a), a * a, b)
        + torch.nan_to_num(a), A, B),
    "whole-number casts": (lambda a: (2 * a).int() * a * a + a.bool() * a + (a > 0).double() * a, A),
    "bounds": (
        lambda a, b: torch.fmax(a, b) * torch.fmin(a, b) + a.clamp_min(0.2) * a.clamp_max(0.4) + torch.log2(b)
        + torch.addcmul(a, a, b, value=3.0), A, B),
    # reductions
    "norm": (lambda a, m: a.norm() + torch.linalg.norm(m) + m.norm(dim=-1) + torch.linalg.vector_norm(a, 3), A, M),
    "norms 1 and inf": (
        lambda a, m: torch.linalg.norm(a, 1) * torch.linalg.norm(a, float("inf")) + torch.linalg.norm(m, 1), A, M),
    "amax, amin": (lambda m: (m.amax(-1) * m.amin(0) + m.amax() * m.max() - m.min()) * m[0], M),
    "max along an axis": (lambda m: m.max(-1).values * m.min(0)[0], M),
    "argmax": (lambda m: torch.gather(m, 1, m.argmax(1, keepdim=True)) * m, M),
    "cumsum, cumprod": (lambda m: torch.cumsum(m, 0) * torch.cumprod(m, 1), M),
    "variance": (lambda m: m.var(-1) + m.std(0) + m.var(correction=0), M),
    "logsumexp": (lambda m: torch.logsumexp(m, -1) + torch.softmax(m, 0)[0] + torch.log_softmax(m, -1)[1], M),
    "sort": (lambda a: torch.sort(a)[0] * a, A), "sort of three": (lambda a: a[:3].sort(descending=True)[0] ** 2, A),
    "topk, median": (lambda a: a.topk(2)[0].sum() * a.median() * a, A),
    "site sums": (lambda m: m.sum(0) * m.mean(-1) + m.prod(-1), M),
    # linear algebra
    "trace": (lambda m: torch.trace(m) * torch.trace(m @ m), M),
    "det": (lambda m: torch.linalg.det(m) * m[0, 0] + torch.det(m[:2, :2]), M),
    "det of five": (torch.linalg.det, M5),
    "slogdet": (lambda m: torch.linalg.slogdet(m @ m.mT)[1], M),
    "inv": (torch.linalg.inv, M), "inv by permutation": (torch.linalg.inv, P),
    "inv of one and two": (lambda m: torch.linalg.inv(m[:2, :2]) * torch.linalg.inv(m[:1, :1]), M),
    "inv of five": (torch.linalg.inv, M5),
    "solve": (lambda m, t: torch.linalg.solve(m, t[0]) + torch.linalg.solve(m, t.mT)[:, 1], M, T),
    "solve of five": (lambda m: torch.linalg.solve(m, m[:, 0] * m[1] + 1), M5),
    "solve from the right": (lambda m, t: torch.linalg.solve(m, t, left=False), M, T),
    "solves in a stack": (lambda m: torch.linalg.solve(torch.stack([m, m.mT]), torch.stack([m.mT, m])), M),
    "triangular": (lambda m, t: torch.linalg.solve_triangular(m.triu(), t.mT, upper=True), M, T),
    "cholesky": (lambda m: torch.linalg.cholesky(m @ m.mT), M),
    "matrix_exp": (lambda m: torch.linalg.matrix_exp(m[:2, :2]) + torch.linalg.matrix_exp(5 * m[1:, 1:]), M),
    "matrix_power": (lambda m: torch.linalg.matrix_power(m, 3) + torch.linalg.matrix_power(m, -2), M),
    "eigvalsh": (lambda m: torch.linalg.eigvalsh(symmetric(m)), S),
    "eigvalsh of two": (lambda m: torch.linalg.eigvalsh(symmetric(m[:2, :2])), S),
    "spectral function": (spectral, S),
    "einsum": (
        lambda m, t: torch.einsum("ij,kj->ik", t, m) + torch.einsum("ij,jk,lk->il", t, m, m)
        + torch.einsum("ii", m), M, T),
    "tensordot": (lambda m: torch.tensordot(m, m, dims=2) * torch.outer(m[0], m[1]) + torch.kron(m, m)[:3, :3], M),
    "cross": (lambda m: torch.linalg.cross(m[0], m[1]), M),
    "products": (
        lambda m, t: torch.addmm(m[:2], t, m) + torch.baddbmm(t[None], t[None], m[None])[0]
        + torch.addmv(t[:, 0], t, m[0])[:, None] * t, M, T),
    # shapes and places
    "item assignment": (assigned, A), "assignment under a mask": (masked, A),
    "clone": (lambda a: a.clone().mul_(2) * a, A),
    "indexing": (
        lambda m: m[[0, 2]][:, [1, 1, 0]] * m[torch.tensor([2, 0])] + m[..., None, 0].mT + m[m.new_ones(3) > 0][1:], M),
    "index_select": (lambda m: m.index_select(0, torch.tensor([2, 2, 0])) * m.gather(1, torch.tensor([[2], [0], [1]])),
                     M),
    "scatter": (
        lambda a: torch.zeros(3, dtype=F64).index_add(0, torch.tensor([0, 2, 2, 1, 0, 0]), a)
        * torch.zeros(3, dtype=F64).scatter_add(0, torch.tensor([1, 1, 0]), a[:3])
        + torch.zeros(3, dtype=F64).index_put((torch.tensor([0, 0]),), a[:2] ** 2, accumulate=True)
        + torch.zeros(3, dtype=F64).scatter(0, torch.tensor([1, 2]), a[:2]), A),
    "computed places": (lambda a, m: m[torch.clamp(a[1:3] + 1, 0, 2).long()] * a[:3], A, M),
    "shifts": (lambda a: torch.roll(a, 1) - torch.roll(a, -2, 0) * a
               + torch.roll(a.reshape(2, 3), (1, 2), (0, 1)).sum(), A),
    "differences": (lambda m: torch.diff(m, dim=0) * torch.diff(m, dim=-1, append=m[:, :1])[:2], M),
    "padding": (
        lambda a: torch.nn.functional.pad(a, (1, 2)) * torch.nn.functional.pad(a[None], (2, 1), mode="replicate")[0]
        + torch.nn.functional.pad(a[None], (2, 1), mode="reflect")[0], A),
    "windows": (lambda a: a.unfold(0, 3, 1).prod(-1) * a[::2].flip(0)[:1], A),
    "joins": (lambda a, m: torch.cat([m, m.mT[:1], a[:3][None]]) * torch.vstack([m, m[:2]])
              + torch.stack([a[:3]] * 5), A, M),
    "repeats": (lambda a: a.repeat(2) * a.repeat_interleave(2) + a.tile(2) + a[None].expand(2, 6).reshape(-1), A),
    "triangles": (lambda m: m.tril() @ m.triu(1) + torch.diag(m.diagonal()) + torch.diag_embed(m[0]), M),
    "parts": (lambda a: a.split(2)[1] * a.chunk(3)[0] + a.unbind()[0] * a.narrow(0, 2, 2), A),
    "constants": (lambda a: a * torch.linspace(0, 1, 6, dtype=F64) + a * torch.triu_indices(3, 3).sum(0), A),
    "detached": (lambda a: a * a.detach() + a.data * torch.sin(a.detach() * 2), A),
    "vmap": (lambda m: torch.vmap(lambda r: r @ r * r)(m), M),
}  # fmt: skip
"""name -> function and arguments."""

VALUES = {
    "signs": (lambda a: torch.where(torch.logical_not(a > 0) | torch.isinf(a), a, -a), A),
    "aminmax": (lambda m: torch.stack(torch.aminmax(m, dim=0)) * m.argmin(0), M),
    "take": (lambda m: m.take(torch.tensor([0, 4])) * m.masked_select(torch.tensor([True, False, True]))[:2], M),
    "index_copy": (lambda m: m.index_copy(0, torch.tensor([1]), m[:1]).index_fill(1, torch.tensor([2]), 3.0), M),
    "scattered diagonal": (lambda m: torch.diagonal_scatter(m, m[0]), M),
    "floor_divide": (lambda a, b: (a + 0.01) // b, A, B), "heaviside": (torch.heaviside, A, B),
    "argsort": (lambda a: torch.argsort(a).double(), A), "count_nonzero": (lambda a: torch.count_nonzero(a > 0) * a, A),
    "any, all": (lambda a: torch.where((a > 0).any() & ~(a > 0).all(), a, -a), A),
}  # fmt: skip
"""Those that torch does not differentiate, or that have no derivative."""

NESTED = ("erf", "atan2", "hypot", "expm1 and log1p", "inverse hyperbolic", "norm", "amax, amin", "max along an axis",
          "cumsum, cumprod", "sort", "trace", "det", "inv", "inv of five", "solve", "eigvalsh", "einsum",
          "indexing", "scatter", "shifts", "differences", "padding", "joins", "windows",
          "activations",
          "logsumexp", "variance")  # fmt: skip
"""Those that a model differentiates by reverse mode, as Normality does."""

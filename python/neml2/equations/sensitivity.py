# SPDX-License-Identifier: MIT
"""Derivatives of the solution of r(u; g) = 0 by the implicit function theorem, du/dg = -(dr/du)^-1 dr/dg.

First and second derivatives are exact, under autograd and under torch.func.{jvp, vjp, jacfwd, jacrev, vmap}; third
ones are not. Forward within forward mode is refused, since torch loses the outer tangent there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .bordered import Inverse
from .residual import Residual
from .solve import Part, Walk, part_values, solve


@dataclass
class Problem:
    """All of a solve but its tensors. `parts` is filled by the solve."""

    residual: Residual
    settings: dict[str, Any]
    walk: Walk
    label: str
    parts: list[Part] | None = None


class _Solve(torch.autograd.Function):
    """(guess, *values) -> (u (*batch, n), the tensors of (dr/du)^-1) as constants. Singular points get NaN there."""

    @staticmethod
    def forward(problem: Problem, guess: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        residual = problem.residual
        solution = solve(residual, problem.settings, problem.walk, guess, values, problem.label)
        problem.parts = solution.parts
        u = solution.u.expand(*solution.batch, solution.u.shape[-1]).clone()
        return u, *residual.inverse_jacobian(u, values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple, problem: Problem, guess: torch.Tensor, *values: torch.Tensor) -> tuple:
        residual = problem.residual
        slots = residual.slots
        ndims = [_batch_ndim(guess, in_dims[1], 1)]
        ndims += [_batch_ndim(v, d, s.point_ndim) for v, d, s in zip(values, in_dims[2:], slots, strict=True)]
        inner = max(ndims)
        moved = [
            value if dim is None else _in_front(value.movedim(dim, 0), inner - ndim)
            for value, dim, ndim in zip((guess, *values), in_dims[1:], ndims, strict=True)
        ]
        batch = torch.broadcast_shapes((info.batch_size, *(1,) * inner), residual.batch(moved[0], moved[1:]))
        moved[0] = moved[0].expand(*batch, moved[0].shape[-1])
        outer = replace(problem)
        result = _Solve.apply(outer, *moved)
        if outer.parts:
            text = "torch.func.vmap (jacrev and jacfwd use it) cannot go over a step that had to be cut into parts"
            raise NotImplementedError(f"{problem.label}: {text}; take smaller steps, or loop over what it maps over")
        problem.parts = []
        return result, (0,) * len(result)


def _batch_ndim(value: torch.Tensor, dim: int | None, point_ndim: int) -> int:
    return max(value.ndim - (dim is not None) - point_ndim, 0)


def _in_front(value: torch.Tensor, missing: int) -> torch.Tensor:
    return value.reshape(value.shape[0], *(1,) * missing, *value.shape[1:])


class _Attach(torch.autograd.Function):
    """(u, r, A^-1) -> u, with the derivative du - A^-1 dr: that of a Newton step whose Jacobian is held fixed."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u: torch.Tensor, r: torch.Tensor, inverse: Inverse, *tensors: torch.Tensor) -> torch.Tensor:
        return u.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:
        _, _, ctx.inverse, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def jvp(ctx: Any, du: Any, dr: torch.Tensor, *constants: Any) -> torch.Tensor:
        stack = torch._C._functorch.get_interpreter_stack() or []
        if sum(level.key() == torch._C._functorch.TransformType.Jvp for level in stack) > 1:
            raise NotImplementedError(
                "second derivatives of an implicit update: torch cannot nest forward mode in forward mode here; "
                "use reverse mode for one of the two, as in torch.func.jacfwd(torch.func.jacrev(f))"
            )
        step = -ctx.inverse.solve(ctx.saved_tensors, dr)
        return step if du is None else du + step

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:  # type: ignore[override]
        tensors = ctx.saved_tensors
        return gradient, -ctx.inverse.solve_transposed(tensors, gradient), None, *(None for _ in tensors)


def _attach(
    residual: Residual, u: torch.Tensor, tensors: Sequence[torch.Tensor], values: Sequence[torch.Tensor]
) -> torch.Tensor:
    """u with derivatives: each step at the solution makes one more order of them exact, as Newton's method would."""
    for _ in range(2):
        u = _Attach.apply(u, residual(u, values), residual.inverse, *tensors)
    return u


def solve_with_derivatives(problem: Problem, guess: torch.Tensor, values: Sequence[torch.Tensor]) -> torch.Tensor:
    """The solution (*batch, n) with its derivatives with respect to the values."""
    residual = replace(problem.residual, swap=True)
    problem = replace(problem, residual=residual)
    u, *tensors = _Solve.apply(problem, guess.detach(), *(value.detach() for value in values))
    if problem.parts:
        return _along_parts(problem, problem.parts, u, values)
    return _attach(residual, u, tensors, values)


def _along_parts(problem: Problem, parts: list[Part], u: torch.Tensor, values: Sequence[torch.Tensor]) -> torch.Tensor:
    """The chain of all parts of the step, each by the implicit function theorem."""
    residual = problem.residual
    batch, n = u.shape[:-1], u.shape[-1]
    total = torch.zeros(math.prod(batch), n, dtype=u.dtype, device=u.device)
    for part in parts:
        points = part.points.to(u.device)
        span = (part.begin, part.end)
        rows = part_values(residual, problem.walk, values, batch, points, span, total[points])
        constants = [value.detach() for value in rows]
        tensors = residual.inverse_jacobian(part.u, constants)
        total = total.index_copy(0, points, _attach(residual, part.u, tensors, rows))
    return total.reshape(*batch, n)


def needed(values: Sequence[torch.Tensor]) -> bool:
    """Whether someone differentiates, or maps, what is computed from these values."""
    if torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0:
        return True
    return torch.is_grad_enabled() and any(value.requires_grad for value in values)

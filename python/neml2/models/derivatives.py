# SPDX-License-Identifier: MIT
"""Derivatives of any model by forward-mode differentiation of its evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from ..errors import suggestion
from ..types import TensorWrapper

if TYPE_CHECKING:
    from .base import Model

State = dict[str, TensorWrapper]

FEW = 2_000_000
"""Numbers of tangents worth holding at once."""


def _along(model: Model, state: State, names: list[str], wrappers: State) -> Callable:
    """Raw values of the named inputs -> raw outputs; notes the typed outputs in `wrappers`."""

    def function(*data: torch.Tensor) -> dict[str, torch.Tensor]:
        moved = {n: type(state[n])(d, sub_batch_ndim=state[n].sub_batch_ndim) for n, d in zip(names, data, strict=True)}
        outputs = model.evaluate({**state, **moved})
        wrappers.update(outputs)
        return {name: value.data for name, value in outputs.items()}

    return function


def jvp(model: Model, state: State, tangents: Mapping[str, Any]) -> tuple[State, State]:
    """Outputs and their directional derivative; an input and its tangent broadcast against each other."""
    for name in tangents:
        if name not in state:
            raise TypeError(f"{model!r} has no input '{name}' to take a tangent of{suggestion(name, state)}")
    names = [name for name in state if name in tangents]
    if not names:
        outputs = model.evaluate(state)
        return outputs, {n: type(v)(torch.zeros_like(v.data), v.sub_batch_ndim) for n, v in outputs.items()}
    primals, directions = [], []
    for name in names:
        tangent = model.typed(name, tangents[name], model.input_spec[name]).data
        primal, tangent = torch.broadcast_tensors(state[name].data, tangent.to(state[name].data))
        primals.append(primal.contiguous())  # a dual number needs its own memory for each element
        directions.append(tangent.contiguous())
    wrappers: State = {}
    values, slopes = torch.func.jvp(_along(model, state, names, wrappers), tuple(primals), tuple(directions))
    return _wrap(values, wrappers), _wrap(slopes, wrappers)


def jacobian(model: Model, state: State) -> tuple[State, dict[str, dict[str, torch.Tensor]]]:
    """Outputs and all blocks. One column of a block is the response to a unit change of one component at all points,
    which is the derivative at each point because points do not influence each other."""
    outputs = model.evaluate(state)
    batch = torch.broadcast_shapes(*(dynamic_shape(v) for v in [*state.values(), *outputs.values()]))
    blocks: dict[str, dict[str, torch.Tensor]] = {name: {} for name in outputs}
    for names in _groups(state):
        points = [state[name].data.shape[len(dynamic_shape(state[name])) :] for name in names]
        for out, slopes in _columns(model, state, names).items():
            out_point = slopes.shape[1 + len(dynamic_shape(outputs[out])) :]
            parts = slopes.movedim(0, -1).split([math.prod(point) for point in points], dim=-1)
            for name, point, part in zip(names, points, parts, strict=True):
                block = part.unflatten(-1, point) if point else part.squeeze(-1)
                blocks[out][name] = block.expand((*batch, *out_point, *point))
    return outputs, blocks


def _groups(state: State) -> list[list[str]]:
    """Inputs to differentiate with respect to in one go: all while that takes little memory, else one by one."""
    columns = sum(math.prod(v.data.shape[len(dynamic_shape(v)) :]) for v in state.values())
    if columns * sum(v.data.numel() for v in state.values()) <= FEW:
        return [list(state)] if state else []
    return [[name] for name in state]


def _columns(model: Model, state: State, names: list[str]) -> dict[str, torch.Tensor]:
    """The derivative of each output with respect to each component of some inputs, components on a leading axis."""
    data = [state[name].data.contiguous() for name in names]
    points = [x.shape[len(dynamic_shape(state[name])) :] for name, x in zip(names, data, strict=True)]
    sizes = [math.prod(point) for point in points]
    unit = torch.eye(sum(sizes), dtype=data[0].dtype, device=data[0].device).split(sizes, dim=1)
    basis = []
    for x, point, rows in zip(data, points, unit, strict=True):
        lead = (1,) * (x.ndim - len(point))
        basis.append(rows.reshape(len(rows), *lead, *point).to(x).expand(len(rows), *x.shape))
    function = _along(model, state, names, {})
    return torch.func.vmap(lambda *tangents: torch.func.jvp(function, tuple(data), tangents)[1])(*basis)


def dynamic_shape(value: TensorWrapper) -> tuple[int, ...]:
    """Shape of the dynamic batch axes."""
    point = value.sub_batch_ndim + len(value.BASE_SHAPE)
    return tuple(value.data.shape[: value.data.ndim - point])


def _wrap(data: Mapping[str, torch.Tensor], like: Mapping[str, TensorWrapper]) -> State:
    return {n: type(like[n])(d, sub_batch_ndim=like[n].sub_batch_ndim) for n, d in data.items()}

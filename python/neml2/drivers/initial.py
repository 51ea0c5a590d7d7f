# SPDX-License-Identifier: MIT
"""What is known of the outputs of a model at the initial step, at which drivers do not evaluate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..hit import base_name
from ..models import Model

if TYPE_CHECKING:
    from .transient import State, TransientDriver


def initial_outputs(driver: TransientDriver) -> State:
    """Initial conditions; zero for outputs that have a history and no initial condition, as the first step takes it;
    and what the explicit parts of a composition make of these, and of the forces of that step, where it is finite."""
    model = driver.model
    known: State = {**driver.inputs[0], **driver.outputs[0]}
    for name in model.output_spec:
        if name not in known and f"{name}~1" in model.input_spec:
            known[name] = driver._zero(f"{name}~1", known)
    if isinstance(model, Model):
        with torch.no_grad():
            for part in getattr(model, "children_in_order", [model]):
                _evaluate(driver, part, known)
    return {name: known[name] for name in model.output_spec if name in known}


def _evaluate(driver: TransientDriver, part: Any, known: State) -> None:
    """Add the outputs of an explicit part, with nothing having changed since the step before."""
    if any(hasattr(inner, "equation_system") for inner in part.modules()):
        for name in part.output_spec:  # its unknowns, whether or not they are outputs of the whole
            if name not in known and f"{name}~1" in driver.model.input_spec:
                known[name] = driver._zero(f"{name}~1", known)
        return
    state: State = {}
    for name in part.input_spec:
        if base_name(name) in known:
            state[name] = known[base_name(name)]
        elif name in driver.model.input_spec:
            state[name] = driver._zero(name, known)
        else:
            return
    try:
        found = part.evaluate(state)
    except Exception:  # models may refuse a step of no length
        return
    for name, value in found.items():
        if name not in known and bool(value.data.isfinite().all()):
            known[name] = value

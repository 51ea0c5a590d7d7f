# SPDX-License-Identifier: MIT
"""Values of parameters on the command line: `-p NAME=VALUE`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..compiler.frontend.rename import ends_with, tails
from ..errors import listing, suggestion
from ._common import UsageError


def set_parameters(model: Any, assignments: Sequence[str]) -> None:
    """Give parameters of a model, eager or compiled, other values. Of NAME the end behind a dot is enough where only
    one parameter ends so; VALUE is one number for all components, or as many as there are. Raises UsageError."""
    import torch

    parameters: Mapping[str, Any] = dict(model.named_parameters()) if hasattr(model, "named_parameters") else {}
    for text in assignments:
        name, numbers = _parsed(text)
        value = parameters[_meant(text, name, parameters, compiled=not isinstance(model, torch.nn.Module))]
        if len(numbers) not in (1, value.numel()):
            raise UsageError(f"-p {text}: {len(numbers)} numbers for a parameter of {value.numel()}")
        given = torch.tensor(numbers, dtype=value.dtype, device=value.device)
        with torch.no_grad():
            value.copy_(given.reshape(value.shape if len(numbers) > 1 else ()))


def _parsed(text: str) -> tuple[str, list[float]]:
    name, _, value = text.partition("=")
    name = name.rstrip(": ").strip()
    try:
        numbers = [float(word) for word in value.strip().strip("'\"").split()]
    except ValueError:
        numbers = []
    if not name or not numbers or any(math.isnan(number) for number in numbers):
        raise UsageError(f"-p {text}: expected NAME=NUMBER, or NAME='NUMBER ...', e.g. -p elasticity.E=210e3")
    return name, numbers


def _meant(text: str, name: str, parameters: Mapping[str, Any], *, compiled: bool) -> str:
    meant = ends_with(name, list(parameters))
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UsageError(f"-p {text}: this can be any of {listing(meant)}; give more of the name")
    hint = suggestion(name, tails(list(parameters))) or f"; there are: {listing(parameters)}"
    what = "is no promoted parameter of the compiled model" if compiled else "is no parameter of the model"
    advice = f". neml2-compile -p {name} keeps it mutable" if compiled else ""
    raise UsageError(f"-p {text}: '{name}' {what}{hint}{advice}")

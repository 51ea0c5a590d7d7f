# SPDX-License-Identifier: MIT
"""What the crystals of this folder are driven by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
F64 = {"dtype": torch.float64}
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """A model, what it is driven by, and which derivative is its tangent.

    load: of `points` crystals the forces, (steps + 1, points, ...), and initial values, (points, ...).
    input: the input file, if it is not called like the case.
    extension: a module of types that the input file needs.
    by_grain: the crystals are grains of one material point, and each number of them is compiled by itself.
    """

    name: str
    tangent: str
    load: Callable[[int], tuple[State, State]]
    by_grain: bool = False
    extension: str = ""
    input: str = ""

    @property
    def path(self) -> Path:
        return HERE / f"{self.input or self.name}.i"


def evenly(first: float, last: float, points: int) -> torch.Tensor:
    return torch.linspace(first, last, points, **F64)


def fan(points: int) -> torch.Tensor:
    """Orientations that lie evenly on a line of Rodrigues vectors, as modified Rodrigues parameters."""
    r = torch.stack([evenly(0, 0.75, points), evenly(0, -0.25, points), evenly(-0.1, 0.1, points)], -1)
    return r / (1 + (1 + (r * r).sum(-1, keepdim=True)).sqrt())


def constant(value: list[float], steps: int, points: int) -> torch.Tensor:
    return torch.tensor(value, **F64).expand(steps + 1, points, -1)


def ramp(end: torch.Tensor, steps: int) -> torch.Tensor:
    """From zero to `end`, (points, ...)."""
    return torch.linspace(0, 1, steps + 1, **F64).reshape(-1, *[1] * end.ndim) * end


def stretched(points: int) -> tuple[State, State]:
    """Stretched along x by 10 to 100 %, at one rate, and spun."""
    forces = {
        "t": ramp(evenly(1, 10, points), 99),
        "deformation_rate": constant([0.1, -0.05, -0.05, 0, 0, 0], 99, points),
        "vorticity": constant([0.1, -0.05, -0.05], 99, points),
    }
    return forces, {"orientation": fan(points)}


def deformed(points: int) -> tuple[State, State]:
    """Deformation gradients that grow linearly to an end of their own."""
    one = torch.eye(3, **F64)
    end = torch.tensor([[0.05, 0.01, 0.05], [0.01, -0.09, -0.3], [-0.05, 0.02, 0.08]], **F64)
    forces = {
        "t": ramp(evenly(1, 10, points), 99),
        "F": one + ramp(evenly(0.1, 1, points)[:, None, None] * end, 99),
        "orientation": fan(points).expand(100, -1, -1),
    }
    return forces, {"Fp": one.expand(points, 3, 3)}


def rolled(points: int) -> tuple[State, State]:
    """Plane strain to a logarithmic strain of a half, in 500 steps."""
    from neml2.crystal import random_texture

    forces = {
        "t": ramp(torch.full((points,), 5000.0, **F64), 499),
        "deformation_rate": constant([0, 1e-4, -1e-4, 0, 0, 0], 499, points),
        "vorticity": constant([0, 0, 0], 499, points),
    }
    return forces, {"orientation": random_texture(points, seed=25).data}


def rolled_alike(points: int) -> tuple[State, State]:
    """As `rolled`, all in the orientation of the first crystal."""
    forces, initial = rolled(1)
    steps = len(forces["t"])
    alike = {name: values.expand(steps, points, *values.shape[2:]) for name, values in forces.items()}
    return alike, {"orientation": initial["orientation"].expand(points, -1)}


def compressed(points: int) -> tuple[State, State]:
    """Compressed by 10 % along z at 1e-3 per second, in 100 steps."""
    from neml2.crystal import random_texture

    forces = {
        "t": ramp(torch.full((points,), 100.0, **F64), 100),
        "deformation_rate": constant([5e-4, 5e-4, -1e-3, 0, 0, 0], 100, points),
        "vorticity": constant([0, 0, 0], 100, points),
    }
    return forces, {"orientation": random_texture(points, seed=25).data}


def pulled(grains: int) -> tuple[State, State]:
    """A polycrystal under uniaxial tension at 1e-3 per second to 5 %."""
    from neml2.crystal import random_texture

    forces = {
        "t": ramp(torch.full((1,), 50.0, **F64), 99),
        "control": constant([1, 0, 0, 0, 0, 0], 99, 1),
        "prescribed": constant([1e-3, 0, 0, 0, 0, 0], 99, 1),
        "vorticity": constant([0, 0, 0], 99, 1),
    }
    return forces, {"orientation": random_texture(grains, seed=0).data.unsqueeze(0)}


CASES = {
    case.name: case
    for case in (
        Case("scpcoup", "stress:deformation_rate", stretched),
        Case("scpcoupmult", "stress:F", deformed),
        Case("scpdecoupexp", "stress:deformation_rate", stretched),
        Case("scpdecoup", "stress:deformation_rate", stretched),
        Case("tcpsingle", "stress:deformation_rate", rolled_alike, input="tcprandom"),
        Case("tcprandom", "stress:deformation_rate", rolled),
        Case("fcc", "stress:deformation_rate", compressed),
        Case("fcc_lattice", "stress:deformation_rate", compressed, extension="turned.py"),
        Case("mxpc", "mixed_state:prescribed", pulled, by_grain=True),
    )
}


def states(evaluate: Callable[[State], State], shapes: dict[str, tuple[int, ...]], case: Case, points: int, count: int):
    """`count` states evenly spread over a walk along the case's load: inputs by name, (count, points, ...).

    evaluate: outputs by name; shapes: of the inputs at one point."""
    forces, initial = case.load(points)
    batch = 1 if case.by_grain else points
    steps = len(forces["t"]) - 1
    wanted = {round(k) for k in torch.linspace(1, steps, count).tolist()}
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in shapes}
    past: list[State] = []  # newest first
    for step in range(steps + 1):
        now = {name: values[step] for name, values in forces.items()}
        if step == 0:
            past = [{**initial, **now}]
            continue
        inputs = {}
        for name, shape in shapes.items():
            base, _, lag = name.partition("~")
            back = int(lag or 0)
            known = now if back == 0 else past[min(back, len(past)) - 1]
            zero = torch.zeros(batch, *shape, **F64)
            inputs[name] = known.get(base, zero).expand_as(zero).contiguous()
        outputs = evaluate(inputs)
        past = [{**outputs, **now}, *past[:1]]
        if step in wanted:
            for name, value in inputs.items():
                kept[name].append(value)
    return {name: torch.stack(values) for name, values in kept.items()}

# SPDX-License-Identifier: MIT
"""Every law of the tests, benchmarks and examples that has an implicit update, at rest and under load."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from implicit_cases import BENCHMARKS, CHABOCHE, CUBIC_DECAY, CUT, F64, ISOHARDEN, RADRET

from crystal_inputs import CRYSTAL
from input_texts import decay, viscoplasticity, viscoplasticity_in_rates
from neml2.hit import load_string
from reaction_inputs import FRACTURE, INFILTRATION, REACTION
from support import ROOT
from transport_inputs import CELLS, PRECIPITATION, TRANSPORT


@dataclass(frozen=True)
class Law:
    """A model of an input file.

    rest: where a step does nothing, or little: values of inputs, by their names or those of all their lags; zero where
    nothing is said, and one for the time. load: what is added under load; 1e-4, 2e-4, ... where nothing is said, and
    nothing to times.
    """

    text: str
    model: str = "model"
    rest: Mapping[str, Any] = field(default_factory=dict)
    load: Mapping[str, Any] = field(default_factory=dict)

    def eager(self) -> Any:
        return load_string(self.text).get_model(self.model)

    def stub(self, compiled: Any, *flags: str) -> Path:
        """The natively compiled package."""
        return compiled(self.text, self.model, "--backend", "native", *flags)

    def value(self, name: str, type_: Any, load: bool) -> Any:
        """An input at one point."""
        base = name.split("~")[0]
        value = self.rest.get(name, self.rest.get(base, 1.0 if name == "t" else 0.0))
        value = torch.as_tensor(value, dtype=F64)
        sites = max(value.ndim - len(type_.BASE_SHAPE), 0)
        data = value.expand((*value.shape[:sites], *type_.BASE_SHAPE)).clone()
        if load and base != "t":
            more = torch.arange(1, data.numel() + 1, dtype=F64).reshape(data.shape) * 1e-4
            data += torch.as_tensor(self.load.get(name, self.load.get(base, more)), dtype=F64)
        return type_(data, sub_batch_ndim=sites)

    def state(
        self, spec: Mapping[str, Any], points: int, batched: Collection[str], loaded: Collection[str]
    ) -> dict[str, Any]:
        """Inputs; those that are `batched` have a batch axis, along which those `loaded` are at rest but at the end."""
        found = {}
        for name, type_ in spec.items():
            rest, end = self.value(name, type_, False), self.value(name, type_, name in loaded)
            data = end.data
            if name in batched:
                data = rest.data.repeat(points, *[1] * rest.data.ndim)
                data[-1] = end.data
            found[name] = type_(data, sub_batch_ndim=rest.sub_batch_ndim)
        return found


def _crystal(structure: str) -> str:
    return CRYSTAL.replace("${strength}", "50").replace("${structure}", structure)


TURNED = {"orientation": [0.1, -0.2, 0.05], "t": 0.05, "t~1": 0.0}
CELL = (torch.arange(CELLS, dtype=F64) + 0.5) / CELLS
LAWS = {
    "decay": Law(decay(), "update"),
    "cubic": Law(CUBIC_DECAY),
    "viscoplasticity": Law(viscoplasticity(50, 200, 3)),
    "hardening": Law(viscoplasticity(50, 200, 3, 2000)),
    "rates": Law(viscoplasticity_in_rates(50, 200, 3, 2000), "update"),
    "cut": Law(CUT),
    "isoharden": Law(ISOHARDEN),
    "chaboche2": Law(CHABOCHE),
    "chaboche6": Law((BENCHMARKS / "chaboche6.i").read_text()),
    "radret": Law(RADRET, rest={"t~2": -1.0}),  # whose guess reads two steps
    "gurson": Law((Path(__file__).parent / "gurson.i").read_text(), rest={"void_fraction": 0.01}),
    "embedded": Law((ROOT / "examples" / "embedding" / "viscoplasticity.i").read_text()),
    "plate": Law((ROOT / "examples" / "fe" / "plate.i").read_text()),
    "crystal": Law(_crystal("dense"), "update", TURNED, {"deformation_rate": [1e-3, -6e-4, -4e-4, 1e-4, 2e-4, -3e-4]}),
    "voce": Law(_crystal("dense"), "hardening_update"),
    "reaction": Law(REACTION, "update", {"a": 0.1}),
    "infiltration": Law(INFILTRATION, "update", {"phi_S": 0.3, "phi_P": 0.1}, {"R_L": 0.5}),
    "fracture": Law(FRACTURE, load={"E": [0.1, -0.05, 0.2, 0.3, 0.1, -0.2]}),
    "transport": Law(TRANSPORT, "update", {"u": torch.ones(CELLS), "v": torch.zeros(CELLS), "D": 0.1}),
    "precipitation": Law(PRECIPITATION, "update", {"u": 1e-3 * torch.exp(-8 * CELL), "t": 0.05, "t~1": 0.0}),
}

# SPDX-License-Identifier: MIT
"""The plan of a package: where each variable lives in the state, which segments run in which order, and which kernels
they need. Plain data; `metadata` turns it into the JSON that the runtime reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from neml2.compiler.graph.pointgraph import PointGraph

SCHEMA = 2

Range = tuple[int, int]  # (offset, size) in the state


@dataclass(frozen=True)
class Slot:
    """One variable of the state."""

    name: str
    type: str
    base_shape: tuple[int, ...]
    sub_batch_shape: tuple[int, ...]
    offset: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sub_batch_shape + self.base_shape

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def range(self) -> Range:
        return (self.offset, self.size)

    def metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "base_shape": list(self.base_shape),
            "sub_batch_shape": list(self.sub_batch_shape),
            "offset": self.offset,
        }


@dataclass(frozen=True)
class ParameterSlot:
    """A parameter: a component of the state if it is promoted or varies over the batch, else only a record."""

    name: str
    type: str
    base_shape: tuple[int, ...]
    sub_batch_shape: tuple[int, ...]
    batch_shape: tuple[int, ...]
    offset: int | None
    promoted: bool
    value: list[float]

    @property
    def size(self) -> int:
        return prod(self.sub_batch_shape + self.base_shape)

    def metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "base_shape": list(self.base_shape),
            "sub_batch_shape": list(self.sub_batch_shape),
            "batch_shape": list(self.batch_shape),
            "offset": self.offset,
            "promoted": self.promoted,
            "value": self.value,
        }


@dataclass
class Entries:
    """Matrix entries, row major: `index[k] >= 0` is a component of the kernel's own output, `index[k] < 0` stands for
    `constants[-index[k] - 1]`."""

    index: list[int]
    constants: list[float]

    def metadata(self) -> dict[str, Any]:
        return {"index": self.index, "constants": self.constants}


@dataclass
class Block:
    """d(output)/d(input) at one point."""

    output: Range
    input: Range
    entries: Entries

    def metadata(self) -> dict[str, Any]:
        return {"output": list(self.output), "input": list(self.input), "entries": self.entries.metadata()}


@dataclass(frozen=True)
class Kernel:
    """What one compiled graph computes: `stores[k] = (component, node)`; into the state itself or into an own array."""

    name: str
    graph: PointGraph
    stores: Sequence[tuple[int, int]]
    state_size: int
    output_size: int | None = None  # None: the stores go into the state

    @property
    def in_place(self) -> bool:
        return self.output_size is None

    def text(self) -> str:
        """The kernel in printed form: its layout, then its graph."""
        components = " ".join(str(c) for c, _ in self.stores)
        layout = f"state {self.state_size} out {self.output_size} stores {components}"
        return f"{layout}\n{self.graph.text([node for _, node in self.stores])}"


@dataclass
class Artifact:
    """A kernel and the file of the package that holds it."""

    file: str
    kernel: Kernel


class Outputs:
    """The own array of a kernel while it is being planned: distinct nodes get components, constants none."""

    def __init__(self, graph: PointGraph) -> None:
        self.graph = graph
        self.nodes: list[int] = []
        self._component: dict[int, int] = {}

    def add(self, node: int) -> int:
        """The component that `node` is stored in."""
        if node not in self._component:
            self._component[node] = len(self.nodes)
            self.nodes.append(node)
        return self._component[node]

    def append(self, nodes: Sequence[int]) -> None:
        """Store `nodes` side by side in the next components, whether or not a node is stored elsewhere too."""
        for node in nodes:
            self._component.setdefault(node, len(self.nodes))
            self.nodes.append(node)

    def entries(self, nodes: Sequence[int]) -> Entries:
        constants: list[float] = []
        index = []
        for node in nodes:
            value = self.graph.constant_of(node)
            if value is None:
                index.append(self.add(node))
                continue
            if value not in constants:
                constants.append(float(value))
            index.append(-constants.index(value) - 1)
        return Entries(index, constants)

    def kernel(self, name: str, state_size: int) -> Kernel:
        return Kernel(name, self.graph, list(enumerate(self.nodes)), state_size, len(self.nodes))


@dataclass
class ForwardSegment:
    name: str
    inputs: list[Range]
    outputs: list[Range]
    value: Artifact | None  # None where `copies` says all
    copies: list[tuple[int, int]] = field(default_factory=list)  # components of the state: (from, to)
    derivative: Artifact | None = None
    blocks: list[Block] = field(default_factory=list)
    dependencies: list[list[int]] = field(default_factory=list)  # of each output: indices into `inputs`

    def artifacts(self) -> list[Artifact]:
        return [a for a in (self.value, self.derivative) if a is not None]

    def metadata(self) -> dict[str, Any]:
        return {
            "kind": "forward",
            "name": self.name,
            "inputs": [list(r) for r in self.inputs],
            "outputs": [list(r) for r in self.outputs],
            "dependencies": self.dependencies,
            "value": self.value and {"file": self.value.file},
            "copies": [list(c) for c in self.copies],
            "derivative": _derivative(self.derivative, self.blocks),
        }


@dataclass
class ImplicitSegment:
    name: str
    unknowns: list[Range]
    givens: list[Range]
    newton: Artifact
    residual_size: int
    jacobian: Entries
    solver: dict[str, Any]
    residual: Artifact | None = None
    derivative: Artifact | None = None
    derivative_jacobian: Entries | None = None
    blocks: list[Block] = field(default_factory=list)
    incremental: list[dict[str, Any]] = field(default_factory=list)
    max_substepping_level: int = 0

    def artifacts(self) -> list[Artifact]:
        return [a for a in (self.newton, self.residual, self.derivative) if a is not None]

    def metadata(self) -> dict[str, Any]:
        derivative = _derivative(self.derivative, self.blocks)
        if derivative is not None and self.derivative_jacobian is not None:
            derivative["jacobian"] = self.derivative_jacobian.metadata()
        return {
            "kind": "implicit",
            "name": self.name,
            "unknowns": [list(r) for r in self.unknowns],
            "givens": [list(r) for r in self.givens],
            "newton": {
                "file": self.newton.file,
                "size": self.newton.kernel.output_size,
                "residual": self.residual_size,
                "jacobian": self.jacobian.metadata(),
            },
            "residual": self.residual and {"file": self.residual.file, "size": self.residual_size},
            "derivative": derivative,
            "incremental": self.incremental,
            "max_substepping_level": self.max_substepping_level,
            "solver": self.solver,
        }


@dataclass
class InnerSegment:
    """A segment inside a kernel of the whole model: the runtime needs to know which variables meet there."""

    known: dict[str, Any]

    def artifacts(self) -> list[Artifact]:
        return []

    def metadata(self) -> dict[str, Any]:
        return self.known


def _derivative(artifact: Artifact | None, blocks: list[Block]) -> dict[str, Any] | None:
    if artifact is None and not blocks:
        return None
    return {
        "file": artifact and artifact.file,  # None where all entries are constants
        "size": artifact.kernel.output_size if artifact else 0,
        "blocks": [b.metadata() for b in blocks],
    }


@dataclass
class Plan:
    name: str
    state_size: int
    inputs: list[Slot]
    outputs: list[Slot]
    parameters: list[ParameterSlot]
    segments: list[ForwardSegment | ImplicitSegment | InnerSegment]
    derivatives: list[dict[str, Any]]  # {"output", "input", "depends_on"} of each pair asked for

    def artifacts(self) -> list[Artifact]:
        return [a for s in self.segments for a in s.artifacts()]

    def metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state_size": self.state_size,
            "inputs": [s.metadata() for s in self.inputs],
            "outputs": [s.metadata() for s in self.outputs],
            "parameters": [p.metadata() for p in self.parameters],
            "segments": [s.metadata() for s in self.segments],
            "derivatives": self.derivatives,
        }

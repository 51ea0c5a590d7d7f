# SPDX-License-Identifier: MIT
"""The places of a program's arguments in a host that has strain, stress, time, temperature, fields and states."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from neml2.compiler.graph.program import Argument, Assign, Program
from neml2.errors import listing
from neml2.hit import base_name, lag

STRAIN = ("strain",)
DEFORMATION = ("deformation_gradient", "F")
STRESS = {"stress": "cauchy", "cauchy_stress": "cauchy", "pk2_stress": "pk2", "pk1_stress": "pk1"}
"""Names of outputs that are the stress -> its measure where the model takes a deformation gradient."""
TIME = ("t", "time")
TEMPERATURE = ("T", "temperature")

_KINDS = {"SR2": "symmetric", "R2": "full", "Vec": "vector", "WR2": "vector", "Scalar": "scalars"}
_BASE = {"symmetric": 6, "full": 9, "vector": 3}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class InterfaceError(ValueError):
    """A model that does not fit an interface; the message is for the user."""


@dataclass(frozen=True)
class Port:
    """Of neml2/native/interfaces/point.h. `kind`: how the value turns with the frame."""

    place: str
    steps: int = 0
    offset: int = 0
    kind: str = "scalars"


@dataclass(frozen=True)
class Slot:
    """A named value among a host's states, properties or fields. `older`: kept for the model's history alone."""

    name: str
    type: str
    shape: tuple[int, ...]
    size: int
    offset: int
    kind: str
    older: bool = False


@dataclass(frozen=True)
class Kept:
    """A value from before the step, for the next one."""

    source: Port
    target: Port
    size: int


@dataclass
class Law:
    name: str
    measure: str
    tangent: int
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    states: list[Slot] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    properties: list[Slot] = field(default_factory=list)
    fields: list[Slot] = field(default_factory=list)
    takes: set[str] = field(default_factory=set)  # places that are read
    clock: int = -1  # where the state keeps the time, for a host that knows no more than its step

    @property
    def state(self) -> int:
        return sum(s.size for s in self.states)


def check_name(name: str) -> str:
    """The name of a law: symbols and files are called by it."""
    if not _IDENTIFIER.fullmatch(name):
        raise InterfaceError(f"'{name}' cannot be the name of a law: expected letters, digits and _; give one: --law")
    return name


def stress_and_strain(inputs: Iterable[str], outputs: Iterable[str]) -> tuple[str, str]:
    """The stress among the outputs, and what it is differentiated by among the inputs."""
    given, made = list(inputs), list(outputs)
    strain, stress = [n for n in given if n in (*STRAIN, *DEFORMATION)], [n for n in made if n in STRESS]
    if len(strain) != 1:
        forces = [n for n in given if not lag(n) and n not in made]
        raise InterfaceError(
            f"a host gives exactly one of the inputs {listing([*STRAIN, *DEFORMATION])}, and the model takes "
            f"{_these(strain)}; its inputs are {listing(forces)}: call one so, as in --rename-input eps:strain"
        )
    if len(stress) != 1:
        raise InterfaceError(
            f"a host takes exactly one of the outputs {listing(STRESS)}, and the model gives {_these(stress)}; its "
            f"outputs are {listing(made)}: call one so, as in --rename-output sigma:stress"
        )
    return stress[0], strain[0]


def _these(names: Sequence[str]) -> str:
    return listing(names) if names else "none of them"


def law_of(name: str, program: Program, *, knows_time: bool, tensor_fields: bool) -> Law:
    """The places of the program's arguments. `knows_time`: whether the host says when a step begins; `tensor_fields`:
    whether it has fields that are tensors. Raises InterfaceError."""
    count = len(program.inputs) - program.parameters
    forces, parameters = program.inputs[:count], program.inputs[count:]
    stress, strain = stress_and_strain([a.name for a in forces], [a.name for a in program.outputs])
    _check_types(program, stress, strain)
    small = strain in STRAIN
    numbers = {a.name: k for k, a in enumerate(program.outputs)}
    driver = next(k for k, a in enumerate(program.inputs) if a.name == strain)
    law = Law(name, "small" if small else STRESS[stress], program.pairs.index((numbers[stress], driver)))

    in_host = {strain: Port("strain" if small else "deformation")}
    if small or not any(base_name(a.name) == stress for a in forces):  # else it is a state: hosts keep Cauchy's alone
        in_host[stress] = Port("stress")
    for output in program.outputs:
        if output.name in in_host:
            law.outputs.append(in_host[output.name])
        else:
            slot = _state(law, output.name, output)
            law.outputs.append(Port("state", 0, slot.offset, slot.kind))
    _places_of_forces(law, forces, in_host, tensor_fields)
    places = {s.name: s for s in law.states}
    _keep(law, forces, in_host, places)
    for force in forces:
        law.inputs.append(_port(force.name, in_host, places))
    for parameter in parameters:
        if parameter.value is None:
            raise InterfaceError(
                f"the parameter '{parameter.name}' has a value for each of several points; a host's material has one"
            )
        slot = _slot(parameter, sum(p.size for p in law.properties))
        law.properties.append(slot)
        law.inputs.append(Port("property", 0, slot.offset))
    law.takes = {p.place for p in law.inputs}
    if not knows_time and "time" in law.takes and not _only_differences(program, forces):
        law.clock = _state(law, next(a.name for a in forces if base_name(a.name) in TIME)).offset
        law.kept.append(Kept(Port("time"), Port("state", 0, law.clock), 1))
    return law


def _check_types(program: Program, stress: str, strain: str) -> None:
    given = {a.name: a for a in program.inputs}
    for name, wanted in (
        (strain, "SR2" if strain in STRAIN else "R2"),
        (stress, "R2" if stress == "pk1_stress" else "SR2"),
    ):
        found = given[name] if name == strain else next(a for a in program.outputs if a.name == name)
        if found.type != wanted or found.size != {"SR2": 6, "R2": 9}[wanted]:
            raise InterfaceError(f"'{name}' is of type {_shape(found)}, expected one {wanted}")
    if strain in STRAIN and STRESS[stress] != "cauchy":
        raise InterfaceError(f"'{stress}' is a stress of finite strains, and the model takes '{strain}'")


def _shape(a: Argument | Slot) -> str:
    return f"{a.type} {list(a.shape)}" if a.shape else a.type


def _slot(a: Argument, offset: int, name: str = "", older: bool = False) -> Slot:
    kind = _KINDS.get(a.type, "other")
    if a.size % _BASE.get(kind, 1):
        kind = "other"
    return Slot(name or a.name, a.type, tuple(a.shape), a.size, offset, kind, older)


def _state(law: Law, name: str, like: Argument | None = None, older: bool = False) -> Slot:
    """A new place at the end of the state."""
    like = like or Argument(name, "Scalar", (), 0)
    law.states.append(_slot(like, law.state, name, older))
    return law.states[-1]


def _places_of_forces(law: Law, forces: list[Argument], in_host: dict[str, Port], tensor_fields: bool) -> None:
    """Where the host has what is no state."""
    made = {s.name for s in law.states} | set(in_host)
    current = {a.name for a in forces}
    for force in forces:
        name = base_name(force.name)
        if name in made or name in in_host:
            continue
        if name not in current and name not in (*TIME, *TEMPERATURE, *DEFORMATION, *STRAIN):
            raise InterfaceError(
                f"'{force.name}' is the old value of '{name}', which the model does not give: make it an output "
                "(additional_outputs), so that the host can keep it"
            )
        scalar = force.type == "Scalar" and not force.shape
        if name in (*TIME, *TEMPERATURE) and scalar:
            in_host[name] = Port("time" if name in TIME else "temperature")
        elif scalar or (tensor_fields and force.type in ("SR2", "R2", "Vec")):
            slot = _slot(force, sum(f.size for f in law.fields), name)
            law.fields.append(slot)
            in_host[name] = Port("field", 0, slot.offset, slot.kind)
        else:
            raise InterfaceError(f"the input '{name}' is of type {_shape(force)}, and the host gives numbers")


def _keep(law: Law, forces: list[Argument], in_host: dict[str, Port], places: dict[str, Slot]) -> None:
    """States for values that are older than one step, of which a host knows nothing."""
    oldest: dict[str, Argument] = {}
    for a in sorted(forces, key=lambda a: lag(a.name)):
        oldest[base_name(a.name)] = a
    for name, argument in oldest.items():
        for steps in range(1, lag(argument.name)):
            source = _port(f"{name}~{steps}", in_host, places)
            slot = places[f"{name}~{steps}"] = _state(law, f"{name}~{steps}", argument, older=True)
            law.kept.append(Kept(source, Port("state", 0, slot.offset, slot.kind), slot.size))


def _port(name: str, in_host: dict[str, Port], places: dict[str, Slot]) -> Port:
    """The place that an input is read from. What is a step old, and the first guess of an output, is the state at the
    start of the step; what is older was put there by an earlier one."""
    base, steps = base_name(name), lag(name)
    if steps <= 1 and base in in_host:
        port = in_host[base]
        return Port(port.place, 1 if port.place == "stress" else steps, port.offset, port.kind)
    slot = places[base if steps <= 1 else f"{base}~{steps - 1}"]
    return Port("state", 1, slot.offset, slot.kind)


def _only_differences(program: Program, forces: list[Argument]) -> bool:
    """Whether the time matters by the length of the step alone: it is read by the difference `t - t~1` only."""
    graph = program.graph
    times = [a for a in forces if base_name(a.name) in TIME]
    if sorted(lag(a.name) for a in times) != [0, 1]:
        return False
    now, old = (a.leaves(graph)[0] for a in sorted(times, key=lambda a: lag(a.name)))
    nodes = []
    for function in program.functions().values():
        nodes += [n for out in (*function.outputs, *function.derivatives) for n in out]
        for step in function.steps:
            if isinstance(step, Assign):
                nodes += [n for _, n in step.stores]
            elif hasattr(step, "right"):
                nodes += [n for row in step.right for n in row]
    for solve in program.solves:
        nodes += [*solve.residual, *(n for row in solve.jacobian for n in row)]
    readers = [n for n in graph.reachable(nodes) if {now, old} & set(graph.args[n])]
    return not {now, old} & set(nodes) and all(
        graph.op[n] == "sub" and set(graph.args[n]) == {now, old} for n in readers
    )

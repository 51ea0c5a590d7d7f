# SPDX-License-Identifier: MIT
"""The symbols that say what a generic behaviour is to those who load it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neml2.compiler.backends.native.interfaces.law import Law, Slot

HYPOTHESES = {
    "Tridimensional": 3,
    "PlaneStrain": 2,
    "GeneralisedPlaneStrain": 2,
    "Axisymmetrical": 2,
    "AxisymmetricalGeneralisedPlaneStrain": 1,
}
"""Modelling hypotheses that prescribe the whole strain -> dimensions; in those of plane stress some of it is sought."""

_TYPES = {"scalars": 0, "symmetric": 1, "vector": 2, "full": 3}
_SIZES = {"scalars": 1, "symmetric": 6, "vector": 3, "full": 9}
_LONGEST = 127
"""Numbers that the type of an array has room for."""


def metadata(law: Law) -> str:
    """Definitions of all symbols but the functions."""
    small = law.measure == "small"
    gradient, kind = ("Strain", 1) if small else ("DeformationGradient", 3)
    lines: list[str] = []

    def number(name: str, value: int) -> None:
        lines.append(f"NEML2_NATIVE_EXPORT const unsigned short {law.name}_{name} = {value};")

    def text(name: str, value: str) -> None:
        lines.append(f'NEML2_NATIVE_EXPORT const char * const {law.name}_{name} = "{value}";')

    def several(name: str, names: Sequence[str], types: Sequence[int] | None = None) -> None:
        number(f"n{name}", len(names))
        listed(name, names)
        if types is not None:
            type_list(f"{name}Types", types)

    def listed(name: str, names: Sequence[str]) -> None:
        joined = ", ".join(f'"{n}"' for n in names)
        value = f"[] = {{{joined}}}" if names else " = nullptr"
        lines.append(f"NEML2_NATIVE_EXPORT const char * const {'' if names else '* const '}{law.name}_{name}{value};")

    def type_list(name: str, types: Iterable[int]) -> None:
        numbers = ", ".join(map(str, types))
        value = f"[] = {{{numbers}}}" if numbers else " = nullptr"
        lines.append(f"NEML2_NATIVE_EXPORT const int {'' if numbers else '* const '}{law.name}_{name}{value};")

    text("mfront_ept", law.name)
    text("mfront_interface", "Generic")
    text("src", law.name)
    number("mfront_mkt", 1)
    number("api_version", 1)
    number("nModellingHypotheses", len(HYPOTHESES))
    listed("ModellingHypotheses", list(HYPOTHESES))
    number("BehaviourType", 1 if small else 2)
    number("BehaviourKinematic", 1 if small else 3)
    for name in ("SymmetryType", "ElasticSymmetryType"):
        number(name, 0)
    several("Gradients", [gradient], [kind])
    several("ThermodynamicForces", ["Stress"], [1])
    number("nTangentOperatorBlocks", 2)
    listed("TangentOperatorBlocks", ["Stress", gradient])
    several("MaterialProperties", [n for p in law.properties for n in element_names(p)])
    several("Parameters", [], [])
    for group, slots in (("InternalStateVariables", law.states), ("ExternalStateVariables", law.fields)):
        variables = [v for s in slots for v in variables_of(s, 3)]
        several(group, [name for name, _ in variables], [code for _, code in variables])
        for hypothesis, dimensions in HYPOTHESES.items():
            if dimensions < 3 and slots:
                type_list(f"{hypothesis}_{group}Types", [c for s in slots for _, c in variables_of(s, dimensions)])
    for name in ("requiresStiffnessTensor", "requiresThermalExpansionCoefficientTensor", "nInitializeFunctions",
                 "nPostProcessings", "ComputesInternalEnergy", "ComputesDissipatedEnergy",
                 "UsableInPurelyImplicitResolution"):  # fmt: skip
        number(name, int(name.startswith("Usable")))
    number("TemperatureRemovedFromExternalStateVariables", 1)
    return "\n".join(lines) + "\n"


def element_names(slot: Slot) -> list[str]:
    """The names of a value's components, which are scalars to the host."""
    return [slot.name] if slot.size == 1 else [f"{slot.name}[{k}]" for k in range(slot.size)]


def variables_of(slot: Slot, dimensions: int) -> list[tuple[str, int]]:
    """The variables, with their types, that hold a value: one where there is such a type, else arrays of numbers. In
    fewer than three dimensions tensors lose components that laws may need, so they are arrays there."""
    kind = slot.kind if slot.kind in _TYPES else "scalars"
    if slot.size == _SIZES[kind] and (dimensions == 3 or kind == "scalars"):
        return [(slot.name, _TYPES[kind])]
    starts = range(0, slot.size, _LONGEST)
    names = [slot.name] if len(starts) == 1 else [f"{slot.name}[{k}]" for k in range(len(starts))]
    return [(n, _array(min(_LONGEST, slot.size - k))) for n, k in zip(names, starts, strict=True)]


def _array(size: int) -> int:
    """The type of an array of numbers; see docs/hosts.md."""
    return 5 + (1 << 3) + (size << 6)

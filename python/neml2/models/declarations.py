# SPDX-License-Identifier: MIT
"""What a model declares: its variables and parameters.

class VoceIsotropicHardening(Model):
    equivalent_plastic_strain = Input(Scalar)
    isotropic_hardening = Output(Scalar)
    saturated_hardening = Parameter(Scalar, name="R", promotable=True)
    saturation_rate = Parameter(Scalar, name="d", promotable=True)
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BadValue, Where
from ..hit.options import REQUIRED, Declaration, Option, OptionFamily, Reference, TensorOption

if TYPE_CHECKING:
    from ..hit.document import Block, Field
    from ..hit.input_file import InputFile

__all__ = [
    "BLOCK_NAME",
    "REQUIRED",
    "Input",
    "Inputs",
    "Option",
    "OptionFamily",
    "Output",
    "Parameter",
    "ParameterEntry",
    "Parameters",
    "Reference",
    "T",
    "TensorOption",
    "Token",
    "Variable",
]


class _BlockName:
    def __repr__(self) -> str:
        return "block name"


BLOCK_NAME: Any = _BlockName()
"""Default of an output that is called like the model's block."""


class T:
    """Stands for the tensor type in the declarations of a family of models."""


@dataclass
class Variable:
    """An input or output of one model. `name` is None for an optional input that is left out, and a tuple
    of names for a list of inputs."""

    attribute: str
    type: type
    name: str | tuple[str, ...] | None

    @property
    def names(self) -> tuple[str, ...]:
        if self.name is None:
            return ()
        return (self.name,) if isinstance(self.name, str) else self.name


@dataclass(frozen=True)
class Token:
    """The text that gives a parameter, and where it stands."""

    text: str
    where: Where


@dataclass(frozen=True)
class ParameterEntry:
    """One parameter of a model: registered name, type, value as given, whether it may be an input instead,
    how many of its last batch axes are table axes, and whether it may have no axes in place of them."""

    name: str
    type: type
    value: Any
    promotable: bool
    option: str
    table_axes: int = 0
    uniform: bool = False


class VariableDeclaration(Declaration):
    """Base of inputs and outputs. The value read is the given name, or None."""

    def __init__(self, type_: type, default: Any, derived: str | None, given_by: str | None) -> None:
        self.type, self.default, self.derived, self.given_by = type_, default, derived, given_by

    @property
    def option(self) -> str:
        if self.derived is None:
            return super().option
        return self.given_by or ""

    def options(self) -> list[str]:
        return [self.option] if self.option else []

    def kind_name(self) -> str:
        return self.type.__name__

    def describe(self) -> list[dict[str, Any]]:
        default = self.derived if self.derived is not None else self.default
        default = super().option if default is None else default
        row = {
            "name": self.option or self.derived,
            "role": self.role,
            "kind": self.kind_name(),
            "default": default,
        }
        return [{**row, "derived": self.derived is not None}]

    def read(self, block: Block, source: InputFile) -> Any:
        field = block.field(self.option) if self.option else None
        return None if field is None else self.parse(field, source)

    def parse(self, field: Field, source: InputFile) -> Any:
        words = field.tokens()
        if len(words) != 1:
            raise BadValue(f"expected one variable name, got '{field.text()}'", field.where)
        return words[0]

    def take(self, values: dict[str, Any]) -> Any:
        for key in (self.option, self.attribute if self.derived is None else self.option):
            if key in values:
                return values.pop(key)
        return None

    def resolve(self, given: Any, block_name: str, names: dict[str, str]) -> Variable:
        """The variable, from the name that is given (or None) and those of the variables resolved so far."""
        if given is not None:
            return Variable(self.attribute, self.type, given)
        if self.derived is not None:
            return Variable(self.attribute, self.type, self.derived.format_map(names))
        if self.default is BLOCK_NAME:
            return Variable(self.attribute, self.type, block_name or self.attribute.rstrip("_"))
        return Variable(self.attribute, self.type, self.default or self.attribute.rstrip("_"))


class InputDeclaration(VariableDeclaration):
    role = "input"

    def __init__(self, type_: type, default: Any, optional: bool, derived: str | None, override: str | None) -> None:
        super().__init__(type_, default, derived, override)
        self.optional = optional

    def describe(self) -> list[dict[str, Any]]:
        (row,) = super().describe()
        return [{**row, "default": None} if self.optional else row]

    def resolve(self, given: Any, block_name: str, names: dict[str, str]) -> Variable:
        if self.optional and given is None:
            return Variable(self.attribute, self.type, None)
        return super().resolve(given, block_name, names)


class InputsDeclaration(VariableDeclaration):
    role = "inputs"

    def __init__(self, type_: type, default: Any) -> None:
        super().__init__(type_, default, None, None)

    def read(self, block: Block, source: InputFile) -> Any:
        return Declaration.read(self, block, source)

    def parse(self, field: Field, source: InputFile) -> Any:
        return tuple(field.tokens())

    def take(self, values: dict[str, Any]) -> Any:
        return Declaration.take(self, values)

    def resolve(self, given: Any, block_name: str, names: dict[str, str]) -> Variable:
        return Variable(self.attribute, self.type, (given,) if isinstance(given, str) else tuple(given))


class OutputDeclaration(VariableDeclaration):
    role = "output"


class ParameterDeclaration(Declaration):
    """One parameter. The value read is a Token or what Python code gives."""

    role = "parameter"

    def __init__(
        self,
        type_: type,
        default: Any,
        name: str | None,
        promotable: bool,
        table_axes: int = 0,
        uniform: bool = False,
    ) -> None:
        self.type, self.default, self.name, self.promotable = type_, default, name, promotable
        self.table_axes, self.uniform = table_axes, uniform

    def kind_name(self) -> str:
        return self.type.__name__

    @property
    def registered(self) -> str:
        return self.name or self.option

    def describe(self) -> list[dict[str, Any]]:
        (row,) = super().describe()
        return [{**row, "registered": self.registered, "promotable": self.promotable}]

    def parse(self, field: Field, source: InputFile) -> Any:
        return Token(field.text(), field.where)

    def entries(self, model: Any, value: Any) -> list[ParameterEntry]:
        """The parameters this declaration stands for in `model`, given what was read."""
        axes = (self.table_axes, self.uniform)
        return [ParameterEntry(self.registered, self.type, value, self.promotable, self.option, *axes)]

    def arguments(self, values: list[Any]) -> list[Any]:
        """What `forward` receives for the values of these entries."""
        return values


class ParametersDeclaration(ParameterDeclaration):
    """A list of parameters called `<name>_0`, `<name>_1`, ...; `forward` receives a tuple."""

    role = "parameters"

    def parse(self, field: Field, source: InputFile) -> Any:
        return [Token(token, field.where) for token in field.tokens()]

    def entries(self, model: Any, value: Any) -> list[ParameterEntry]:
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return [
            ParameterEntry(f"{self.registered}_{i}", self.type, item, self.promotable, self.option)
            for i, item in enumerate(items)
        ]

    def arguments(self, values: list[Any]) -> list[Any]:
        return [tuple(values)]


def Input(
    type_: type,
    default: str | None = None,
    *,
    optional: bool = False,
    derived: str | None = None,
    override: str | None = None,
) -> Any:
    """Declare an input variable, called `default` or like the attribute unless the option names another.

    `optional`: left out unless the option names it; `forward` receives None. `derived`: pattern of a name
    that follows other variables' or words given as options, e.g. `"{variable}~1"`; it has no option of its own but the
    one `override` names.
    """
    return InputDeclaration(type_, default, optional, derived, override)


def Inputs(type_: type, default: Any = REQUIRED) -> Any:
    """Declare a list of input variables; `forward` receives a tuple."""
    return InputsDeclaration(type_, default)


def Output(type_: type, default: Any = None, *, derived: str | None = None, rename: str | None = None) -> Any:
    """Declare an output variable; `default` may be BLOCK_NAME, `rename` is the option that names a derived
    output."""
    return OutputDeclaration(type_, default, derived, rename)


def Parameter(
    type_: type,
    default: Any = REQUIRED,
    *,
    name: str | None = None,
    promotable: bool = False,
    table_axes: int = 0,
    uniform: bool = False,
) -> Any:
    """Declare a parameter, registered as `name` or like the attribute. `promotable`: may be an input
    variable instead, namely the output of another model, or any variable. `table_axes`: so many of its last
    batch axes belong to each single point; they count as sub-batch axes whatever the value's own tag. `uniform`: one
    value without axes may stand for a whole table."""
    return ParameterDeclaration(type_, default, name, promotable, table_axes, uniform)


def Parameters(type_: type, default: Any = REQUIRED, *, name: str | None = None, promotable: bool = False) -> Any:
    """Declare a list of independent parameters; `forward` receives a tuple."""
    return ParametersDeclaration(type_, default, name, promotable)


def specialise(declaration: Declaration, type_: type) -> Declaration:
    """The declaration with the placeholder `T` replaced."""
    if getattr(declaration, "type", None) is not T:
        return declaration
    special = copy.copy(declaration)
    special.type = type_  # type: ignore[attr-defined]
    return special

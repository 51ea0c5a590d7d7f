# SPDX-License-Identifier: MIT
"""What a class reads from its block, declared as class attributes.

    class Newton(HitObject):
        SECTION = "Solvers"
        abs_tol: float = Option(float, 1e-10)
        linear_solver = Reference("Solvers", default=None)

An attribute with a trailing underscore stands for an option whose name is a Python keyword (`from_` is
option `from`). On an instance the attribute holds the value.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidOption, MissingOption, Where, listing, suggestion

if TYPE_CHECKING:
    from .document import Block, Field
    from .input_file import InputFile


class _Required:
    def __repr__(self) -> str:
        return "required"

    def __copy__(self) -> _Required:
        return self

    def __deepcopy__(self, memo: dict) -> _Required:
        return self


REQUIRED: Any = _Required()
INT_MAX = 2**31 - 1


class Declaration:
    """Base of everything that is declared as a class attribute and read from a block."""

    attribute: str = ""
    default: Any = REQUIRED
    role = "option"

    @property
    def option(self) -> str:
        """The option's name in an input file."""
        return self.attribute.rstrip("_")

    def options(self) -> list[str]:
        """All option names this declaration accepts."""
        return [self.option]

    def describe(self) -> list[dict[str, Any]]:
        """One row for each option: name, role, kind, default, notes."""
        return [{"name": self.option, "role": self.role, "kind": self.kind_name(), "default": self.default}]

    def kind_name(self) -> str:
        return ""

    def read(self, block: Block, source: InputFile) -> Any:
        """The value `block` gives, or the default. Raises MissingOption for a required one."""
        field = block.field(self.option)
        if field is not None:
            return self.parse(field, source)
        if self.default is REQUIRED:
            raise MissingOption(self.missing(), block.where)
        return copy.copy(self.default)

    def parse(self, field: Field, source: InputFile) -> Any:
        raise NotImplementedError

    def missing(self) -> str:
        kind = self.kind_name()
        return f"option '{self.option}' is required" + (f" ({kind})" if kind else "")

    def take(self, values: dict[str, Any]) -> Any:
        """The value Python code gives (removed from `values`), or the default."""
        for key in (self.attribute, self.option):
            if key in values:
                return self.check(values.pop(key), Where(option=self.option))
        if self.default is REQUIRED:
            raise MissingOption(self.missing())
        return copy.copy(self.default)

    def check(self, value: Any, where: Where) -> Any:
        return value

    def bind(self, attribute: str) -> Declaration:
        """This declaration under the name of a class attribute."""
        bound = copy.copy(self)
        bound.attribute = attribute
        return bound


@dataclass(frozen=True)
class Range:
    """What numbers an option takes. Without bounds an integer has 32 bits, and a float is finite in any case."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None

    def holds(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (number <= self.at_most if self.at_most is not None else isinstance(number, float) or number <= INT_MAX)
            and (isinstance(number, float) or number >= -INT_MAX - 1)
        )

    def words(self, number: float) -> str:
        bounds = [
            f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}"
            for word, bound in (("at least", self.at_least), ("more than", self.above), ("at most", self.at_most))
            if bound is not None
        ]
        if not isinstance(number, float) and self.at_most is None:
            bounds.append(f"at most {INT_MAX}")
        kind = "a finite number" if isinstance(number, float) else "an integer"
        return f"expected {kind}{', ' if bounds else ''}{' and '.join(bounds)}"


class OptionDeclaration(Declaration):
    """A plain value: bool, int, float, str, Path (relative to the input file's folder), or a list of
    these."""

    def __init__(
        self,
        kind: Any,
        default: Any = REQUIRED,
        *,
        choices: Sequence[str] | None = None,
        unique: bool = False,
        range: Range = Range(),
    ) -> None:
        self.kind = kind
        self.default = default
        self.choices = tuple(choices) if choices else None
        self.unique = unique
        self.range = range

    def kind_name(self) -> str:
        name = self.kind.__name__ if isinstance(self.kind, type) and not _is_list(self.kind) else str(self.kind)
        return f"{name}, one of {listing(self.choices)}" if self.choices else name

    def parse(self, field: Field, source: InputFile) -> Any:
        if self.kind is Path:
            return source.file(field.text())
        return self.check(field.read(self.kind), field.where)

    def check(self, value: Any, where: Where) -> Any:
        for item in _items(value):
            if self.choices and item not in self.choices:
                hint = suggestion(item, self.choices)
                raise InvalidOption(f"'{item}' is not one of {listing(self.choices)}{hint}", where)
            if isinstance(item, int | float) and not isinstance(item, bool) and not self.range.holds(item):
                raise InvalidOption(f"{item} is out of range; {self.range.words(item)}", where)
        if self.unique:
            check_unique(value, where)
        return value


class OptionFamilyDeclaration(Declaration):
    """Several options whose names differ in one word, e.g. `prescribed_{}_names` over types; a dict word ->
    value."""

    def __init__(self, pattern: str, kind: Any, words: Iterable[str], default: Any = REQUIRED) -> None:
        self.pattern, self.kind, self.words, self.default = pattern, kind, tuple(words), default

    def options(self) -> list[str]:
        return [self.pattern.format(word) for word in self.words]

    def kind_name(self) -> str:
        return str(self.kind)

    def describe(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "role": self.role, "kind": self.kind_name(), "default": self.default}
            for name in self.options()
        ]

    def read(self, block: Block, source: InputFile) -> dict[str, Any]:
        return {w: OptionDeclaration(self.kind, self.default).bind(o).read(block, source) for w, o in self._pairs()}

    def take(self, values: dict[str, Any]) -> dict[str, Any]:
        return {w: OptionDeclaration(self.kind, self.default).bind(o).take(values) for w, o in self._pairs()}

    def _pairs(self) -> list[tuple[str, str]]:
        return list(zip(self.words, self.options(), strict=True))


class ReferenceDeclaration(Declaration):
    """The name of a block of another (or the same) section; the value is the object built from that block. A default
    may be a block's name too."""

    role = "reference"

    def __init__(self, section: str, default: Any = REQUIRED, *, many: bool = False, unique: bool = False) -> None:
        self.section, self.default, self.many, self.unique = section, default, many, unique

    def kind_name(self) -> str:
        return f"{'names' if self.many else 'name'} in [{self.section}]"

    def read(self, block: Block, source: InputFile) -> Any:
        if isinstance(self.default, str) and block.field(self.option) is None:
            return source.get(self.section, self.default, block.where)
        return super().read(block, source)

    def take(self, values: dict[str, Any]) -> Any:
        if isinstance(self.default, str) and self.attribute not in values and self.option not in values:
            raise MissingOption(self.missing())  # there is no file to find the block in
        return super().take(values)

    def parse(self, field: Field, source: InputFile) -> Any:
        if self.many:
            names = field.tokens()
            if self.unique:
                check_unique(names, field.where)
            return [source.get(self.section, name, field.where) for name in names]
        return source.get(self.section, field.text(), field.where)


class TensorDeclaration(Declaration):
    """The name of a [Tensors] block, or a number where `T` is Scalar; the value is a typed tensor."""

    role = "tensor"

    def __init__(self, T: type, default: Any = REQUIRED, *, many: bool = False) -> None:
        self.T, self.default, self.many = T, default, many

    def kind_name(self) -> str:
        return f"{'names' if self.many else 'name'} in [Tensors], {self.T.__name__}"

    def parse(self, field: Field, source: InputFile) -> Any:
        if self.many:
            return [source.typed_tensor(token, self.T, field.where) for token in field.tokens()]
        return source.typed_tensor(field.text(), self.T, field.where)


# Functions, so that a type checker takes `abs_tol: float = Option(float, 1e-10)`.


def Option(
    kind: Any,
    default: Any = REQUIRED,
    *,
    choices: Sequence[str] | None = None,
    unique: bool = False,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
) -> Any:
    """Declare a plain option. `kind`: bool, int, float, str, pathlib.Path, list[...] or list[list[...]] of
    these. Numbers are finite and, each of them, within the bounds given; `unique`: no item of a list comes twice."""
    return OptionDeclaration(kind, default, choices=choices, unique=unique, range=Range(at_least, above, at_most))


def OptionFamily(pattern: str, kind: Any, words: Iterable[str], default: Any = REQUIRED) -> Any:
    """Declare `pattern.format(word)` for each word; the attribute holds a dict word -> value."""
    return OptionFamilyDeclaration(pattern, kind, words, default)


def Reference(section: str, default: Any = REQUIRED, *, many: bool = False, unique: bool = False) -> Any:
    """Declare a reference to a block of `section` (a list with `many`, none twice with `unique`), `default` being
    None or a block's name; the attribute holds the object."""
    return ReferenceDeclaration(section, default, many=many, unique=unique)


def TensorOption(T: type, default: Any = REQUIRED, *, many: bool = False) -> Any:
    """Declare a reference to a [Tensors] block (a list of them with `many`); the attribute holds a `T`."""
    return TensorDeclaration(T, default, many=many)


class Declared:
    """Collects the declarations of a class, inherited ones first, in `cls.DECLARATIONS`."""

    DECLARATIONS: Mapping[str, Declaration] = {}
    STRICT = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        collected: dict[str, Declaration] = {}
        for base in reversed(cls.__mro__[1:]):
            collected.update(base.__dict__.get("DECLARATIONS", {}))
        for name, value in list(cls.__dict__.items()):
            if isinstance(value, Declaration):
                collected[name] = value.bind(name)
                delattr(cls, name)  # a parameter may be registered under the same name
        cls.DECLARATIONS = collected

    @classmethod
    def option_names(cls) -> list[str]:
        return [name for declaration in cls.DECLARATIONS.values() for name in declaration.options()]

    @classmethod
    def describe_options(cls) -> list[dict[str, Any]]:
        """One row (name, role, kind, default) for each option, in declared order."""
        return [row for declaration in cls.DECLARATIONS.values() for row in declaration.describe()]


def read_values(cls: type[Declared], block: Block, source: InputFile) -> dict[str, Any]:
    """The value of every declaration of `cls` by attribute name, read from `block`.

    Raises InvalidOption for an option that is not declared, MissingOption for a required one that is not
    given.
    """
    if cls.STRICT:
        check_options(block, cls.option_names())
    return {name: declaration.read(block, source) for name, declaration in cls.DECLARATIONS.items()}


def take_values(cls: type[Declared], given: dict[str, Any]) -> dict[str, Any]:
    """The same from Python keyword arguments."""
    rest = dict(given)
    values = {name: declaration.take(rest) for name, declaration in cls.DECLARATIONS.items()}
    for name in rest:
        raise InvalidOption(f"{cls.__name__} has no option '{name}'{_accepted(name, cls.option_names())}")
    return values


def check_options(block: Block, accepted: Sequence[str]) -> None:
    """Raise InvalidOption for the first field of `block` that is neither `type` nor accepted."""
    for name, field in block.fields().items():
        if name != "type" and name not in accepted:
            raise InvalidOption(f"unknown option{_accepted(name, accepted)}", field.where)


def _accepted(name: str, accepted: Sequence[str]) -> str:
    return f"{suggestion(name, accepted)} (accepted: {listing(accepted)})"


def _is_list(kind: Any) -> bool:
    return hasattr(kind, "__origin__")


def check_unique(names: Sequence[str], where: Where) -> None:
    """Raises InvalidOption for the first name that is listed twice."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidOption(f"'{name}' is listed twice", where)


def _items(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [item for part in value for item in _items(part)]
    return [value]

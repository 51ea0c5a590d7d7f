# SPDX-License-Identifier: MIT
"""Base of what an input file builds: solvers, systems, drivers, data. Models have their own
(neml2.models.Model)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError, InvalidOption, Where
from .options import Declared, read_values, take_values

if TYPE_CHECKING:
    from .document import Block
    from .input_file import InputFile


class Configured(Declared):
    """What a configured object knows about its origin, and how it reports what is wrong with it."""

    name: str
    source: InputFile | None
    block: Block | None

    def setup(self) -> None:
        """Check and complete the object once all options are set. Overridden where there is something to
        do."""

    def where(self, option: str = "") -> Where:
        """The place of this object's block, or of one of its options."""
        field = self.block.field(option) if self.block is not None and option else None
        if field is not None:
            return field.where
        if self.block is not None:
            return self.block.where
        return Where(block=self.name or type(self).__name__, option=option)

    def error(self, text: str, option: str = "", kind: type[InputError] = InvalidOption) -> InputError:
        """An error to raise about this object, or one of its options, that names the place in the input
        file."""
        return kind(text, self.where(option))


class HitObject(Configured):
    """An object with declared options, built from a block or from keyword arguments.

    `name` is the block's name, `source` the input file and `block` the block (None when built in Python).
    """

    SECTION: str

    def __init__(self, name: str = "", /, **options: Any) -> None:
        self._configure(name, take_values(type(self), options), None, None)

    @classmethod
    def from_block(cls, block: Block, source: InputFile) -> Any:
        instance = cls.__new__(cls)
        instance._configure(block.name, read_values(cls, block, source), source, block)
        return instance

    def _configure(self, name: str, values: dict[str, Any], source: InputFile | None, block: Block | None) -> None:
        self.name, self.source, self.block = name, source, block
        for attribute, value in values.items():
            setattr(self, attribute, value)
        self.setup()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "source": None, "block": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self.name}')" if self.name else f"{type(self).__name__}()"

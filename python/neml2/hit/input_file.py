# SPDX-License-Identifier: MIT
"""An input file as a lazy, cached source of objects."""

from __future__ import annotations

import keyword
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import (
    BadValue,
    CircularReference,
    InvalidOption,
    SuspiciousReference,
    TensorError,
    UnknownBlock,
    UnknownTensorType,
    UnknownType,
    Where,
    listing,
    nearest,
    suggestion,
)
from .checks import check_document
from .document import Block, Document
from .registry import REGISTRIES
from .settings import Settings

if TYPE_CHECKING:
    from ..models.base import Model

T = TypeVar("T")


class InputFile:
    """Builds the objects of an input file when they are asked for.

    An object is built once for each (section, name): two references to a block are the same object. Blocks
    nobody asks for are neither built nor checked.
    """

    def __init__(self, document: Document) -> None:
        check_document(document)
        self.document = document
        self._blocks: dict[str, dict[str, Block]] = {}
        self._objects: dict[tuple[str, str], Any] = {}
        self._building: list[tuple[str, str]] = []
        self._settings: Settings | None = None

    @property
    def path(self) -> Path:
        return Path(self.document.name)

    @property
    def directory(self) -> Path:
        """The folder relative file names in options refer to."""
        return self.path.parent

    def file(self, name: str) -> Path:
        """The file an option names, relative to this file's folder; for the stub of a compiled model that lies
        elsewhere, relative to the folder of the input file it was made from."""
        path = self.directory / name
        if not path.exists():
            for block in self.blocks("Models").values():
                origin = block.field("input_directory")
                if origin is not None and (_folder(origin.text()) / name).exists():
                    return _folder(origin.text()) / name
        return path

    # -- blocks ----------------------------------------------------------------------------------------------

    def blocks(self, section: str) -> dict[str, Block]:
        """The blocks of a section by name, over all its occurrences."""
        if section not in self._blocks:
            self._blocks[section] = self.document.blocks(section)
        return self._blocks[section]

    def names(self, section: str) -> list[str]:
        return list(self.blocks(section))

    def has(self, section: str, name: str) -> bool:
        return name in self.blocks(section)

    def block(self, section: str, name: str, where: Where | None = None) -> Block:
        """Raises UnknownBlock (a KeyError); `where` is the place that asks."""
        blocks = self.blocks(section)
        if name not in blocks:
            hint = suggestion(name, blocks) or f"; there are: {listing(blocks)}"
            raise UnknownBlock(f"No [{section}/{name}] found{hint}", where or Where(self.document.name))
        if keyword.iskeyword(name):
            raise InvalidOption(f"block name '{name}' is a Python keyword; rename the block", blocks[name].where)
        return blocks[name]

    def type_of(self, section: str, name: str) -> str:
        """The `type` of a block, without building it."""
        return self.block(section, name).require("type").text()

    # -- objects ---------------------------------------------------------------------------------------------

    def get(self, section: str, name: str, where: Where | None = None) -> Any:
        """The object of block [section/name], built now if it is not there yet; `where` is the place that
        asks."""
        key = (section, name)
        if key in self._objects:
            return self._objects[key]
        if section not in REGISTRIES:
            raise UnknownBlock(f"no section [{section}]{suggestion(section, REGISTRIES)}", where)
        block = self.block(section, name, where)
        if key in self._building:
            chain = [*self._building[self._building.index(key) :], key]
            text = " -> ".join(f"{s}/{n}" for s, n in chain)
            raise CircularReference(f"the block refers to itself: {text}", where or block.where)
        self._building.append(key)
        try:
            instance = self._class_of(block, section).from_block(block, self)
        finally:
            self._building.pop()
        self._objects[key] = instance
        return instance

    def _class_of(self, block: Block, section: str) -> Any:
        field = block.require("type")
        error = UnknownTensorType if section == "Tensors" else UnknownType
        return REGISTRIES[section].lookup(field.text(), field.where, error)

    def built(self) -> list[str]:
        """`Section/name` of the objects that have been built so far."""
        return [f"{section}/{name}" for section, name in self._objects]

    def get_model(self, name: str) -> Model:
        return self.get("Models", name)

    def get_tensor(self, name: str) -> Any:
        """The value of a [Tensors] block as it is: a typed value, a torch tensor, or any Python object."""
        return self.get("Tensors", name)

    def get_solver(self, name: str) -> Any:
        return self.get("Solvers", name)

    def get_driver(self, name: str) -> Any:
        return self.get("Drivers", name)

    def get_equation_system(self, name: str) -> Any:
        return self.get("EquationSystems", name)

    def get_data(self, name: str) -> Any:
        return self.get("Data", name)

    def typed_tensor(self, token: str, cls: type[T], where: Where | None = None) -> T:
        """The value a token of an option stands for: a [Tensors] block of type `cls` (or a raw tensor,
        which is wrapped), or a number where `cls` is Scalar."""
        from .tensors import as_number, as_typed

        number = as_number(token)
        if number is not None and cls.BASE_SHAPE == ():  # type: ignore[attr-defined]
            import torch

            return cls(torch.tensor(number, dtype=torch.float64))  # type: ignore[call-arg]
        if not self.has("Tensors", token):
            hint = suggestion(token, self.names("Tensors")) or f"; there are: {listing(self.names('Tensors'))}"
            wanted = "a number or the name of a [Tensors] block" if cls.BASE_SHAPE == () else "a [Tensors] block"  # type: ignore[attr-defined]
            raise TensorError(f"'{token}' is not {wanted}{hint}", where)
        return as_typed(self.get("Tensors", token, where), cls, token, where)

    # -- the file's own settings -----------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = Settings(next(self.document.sections("Settings"), None))
        return self._settings

    def mentions(self, word: str, sections: Iterable[str] = ("Models", "Drivers"), *, besides: Where) -> bool:
        """Whether `word` is a token of some other option in these sections."""
        for section in sections:
            for block in self.blocks(section).values():
                for field in block.fields().values():
                    try:
                        words = field.text().replace(";", " ").split()
                    except (BadValue, CircularReference):  # a block nobody has asked for may be wrong
                        continue
                    if field.where != besides and word in words:
                        return True
        return False

    def warn_if_suspicious(self, token: str, where: Where) -> None:
        """Warn when a bare variable name looks like a mistyped number or a misspelt block name."""
        if token[:1].isdigit() or token[:1] in "+-.":
            _warn(f"{where}: '{token}' is no number, so it is taken as the name of an input variable")
            return
        for section in ("Models", "Tensors"):
            near = nearest(token, self.names(section), cutoff=0.8)
            if near is not None and not self.mentions(token, besides=where):
                hint = f"did you mean '{near}' in [{section}]?"
                _warn(f"{where}: '{token}' is taken as the name of an input variable; {hint}")
                return

    def __deepcopy__(self, memo: dict) -> InputFile:
        return self

    def __repr__(self) -> str:
        return f"InputFile('{self.document.name}')"


def _warn(text: str) -> None:
    warnings.warn(SuspiciousReference(text), stacklevel=2)


def load_input(
    path: str | os.PathLike,
    pre: Sequence[str] = (),
    post: Sequence[str] = (),
    additional_args: Sequence[str] = (),
) -> InputFile:
    """Read an input file. `pre` snippets are put before its text, `post` and `additional_args` after it.

    Overrides are written `Models/elasticity/E:=210000`. Raises FileNotFoundError, and InputSyntaxError with
    the place.
    """
    return InputFile(Document.from_file(path, list(pre), [*post, *additional_args]))


def load_string(
    text: str,
    pre: Sequence[str] = (),
    post: Sequence[str] = (),
    additional_args: Sequence[str] = (),
    name: str = "<string>",
) -> InputFile:
    """The same from text in memory; `name` stands for the file in messages."""
    return InputFile(Document.from_text(text, name, list(pre), [*post, *additional_args]))


def load_model(path: str | os.PathLike, name: str, **options: Any) -> Model:
    """The model `name` of an input file; `options` are those of `load_input`."""
    return load_input(path, **options).get_model(name)


def _folder(text: str) -> Path:
    """A folder that is given as a path or as a file URI."""
    from urllib.parse import unquote_to_bytes

    is_uri = text.startswith("file://")
    return Path(os.fsdecode(unquote_to_bytes(text.removeprefix("file://")))) if is_uri else Path(text)

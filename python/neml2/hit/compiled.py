# SPDX-License-Identifier: MIT
"""What an input file can still say of a model that is compiled."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidOption, Where, listing, suggestion
from .document import Block, Document

TYPE = "AOTIModel"
OPTIONS = ("type", "artifact_path", "package", "input_directory", "made_from")
ADVICE = "Override options when compiling, or promote a parameter with -p"


def given_parameters(block: Block, promoted: Mapping[str, int]) -> dict[str, list[float]]:
    """The values that further options of the block of a compiled model give its promoted parameters.

    `promoted`: how many numbers each has; one number stands for all. Raises InvalidOption for any other option.
    """
    given = {}
    for name, field in block.fields().items():
        if name in OPTIONS:
            continue
        if name not in promoted:
            hint = suggestion(name, promoted) or f"; promoted are: {listing(promoted)}"
            text = f"the model is compiled, and '{name}' is no promoted parameter of it{hint}. {ADVICE}"
            raise InvalidOption(text, field.where)
        given[name] = field.read(list[float])
        if len(given[name]) not in (1, promoted[name]):
            raise InvalidOption(f"{len(given[name])} numbers for a parameter of {promoted[name]}", field.where)
    return given


def check_not_baked(document: Document, path: str, where: Where) -> None:
    """Raises InvalidOption where the block at `path` has become part of a compiled model of this file."""
    for name, block in document.blocks("Models").items():
        made_from = block.field("made_from")
        if made_from is not None and path in made_from.tokens() and path != f"Models/{name}":
            raise InvalidOption(f"'{name}' is compiled, and this value is part of it. {ADVICE}", where)

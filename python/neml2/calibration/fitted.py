# SPDX-License-Identifier: MIT
"""The input file with the values that a fit has found, its text otherwise as it was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..drivers.storing import refusal, replace
from ..hit.text import read

if TYPE_CHECKING:
    from .fit import Fit

_VALUE = r"(\b{option}\s*(?::\s*override\s*|:)?=\s*)('''.*?'''|\"\"\".*?\"\"\"|'[^']*'|\"[^\"]*\"|[^\s\[#]+)"


class NoPlace(ValueError):
    """A parameter does not stand in the input file."""


def write(fit: Fit, path: Path) -> Path:
    """Values stand where the old ones stood; those that came from elsewhere, as from an included file, are put behind
    the text as overrides. Names of files in it are relative, as before: it is meant to lie in the old one's folder.

    Raises NoPlace for a model that was made in Python, OSError for a file that must not or cannot be written.
    """
    source = fit.task.source
    if source is None:
        raise NoPlace("the fit was set up in Python, so there is no input file to write the values into")
    if why := refusal(path, source, endings=False):
        raise OSError(why)
    text, behind = read(source.path), []
    for name, value in zip(fit.names, fit.values, strict=True):
        block, option, tokens, index = _place(fit.task.model, name)
        tokens = [*tokens[:index], f"{value:.8g}", *tokens[index + 1 :]]
        field = block.field(option)
        changed = None
        if field is not None and field.where.file == str(source.path) and field.where.line:
            changed = _replaced(text, field.where.line, option, tokens, index)
        if changed is None:
            behind.append(f"{block.path}/{option} := '{' '.join(tokens)}'")
        else:
            text = changed
    if behind:
        text = "\n".join([text.rstrip("\n"), "", *behind, ""])
    replace(path, lambda file: file.write(text.encode("utf-8", errors="surrogateescape")))
    return path


def _place(model: Any, name: str) -> tuple[Any, str, list[str], int]:
    """The block and option that give a parameter its value, the words of the option, and which of them it is."""
    owner, _, attribute = name.rpartition(".")
    module = model.get_submodule(owner) if owner else model
    if module.block is None:
        raise NoPlace(f"'{name}' is a parameter of a model made in Python, which no input file describes")
    for declaration, slots in module._parameter_slots:
        names = [slot.name for slot in slots]
        if attribute in names:
            option = declaration.options()[0]
            field = module.block.field(option)
            kinds = module.block.field("coefficient_types") if "coefficient_types" in declaration.options() else None
            index = names.index(attribute)
            if field is None:  # the default
                return module.block, option, [f"{getattr(module, n).item():.17g}" for n in names], index
            if kinds is not None:  # in the order of the file
                from ..models.solid_mechanics.elastic_coefficients import REGISTERED

                index = [REGISTERED.get(word) for word in kinds.tokens()].index(attribute)
            return module.block, option, field.tokens(), index
    raise NoPlace(f"'{name}' is given by no option of [{module.block.path}]")


def _replaced(text: str, line: int, option: str, tokens: list[str], index: int) -> str | None:
    """The text with a new word in the value of an option that begins on a line; None where it is written otherwise."""
    start = sum(map(len, text.splitlines(keepends=True)[: line - 1]))
    found = re.compile(_VALUE.format(option=re.escape(option)), re.DOTALL).search(text, start)
    if found is None or text.count("\n", start, found.start()):
        return None
    words = list(re.finditer(r"[^\s'\"]+", found[2]))
    if len(words) != len(tokens):
        return None
    at = found.start(2) + words[index].start(), found.start(2) + words[index].end()
    return text[: at[0]] + tokens[index] + text[at[1] :]

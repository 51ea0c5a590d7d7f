# SPDX-License-Identifier: MIT
"""What is looked at when an input file is loaded, because nothing later would miss it: sections nobody reads, and
assignments by path (overrides among them) that change nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from ..errors import InvalidOption, SuspiciousReference, Where, listing, nearest, suggestion
from .compiled import TYPE, check_not_baked
from .document import SETTINGS, Document
from .registry import REGISTRIES
from .settings import KNOWN
from .text import Entry


def check_document(document: Document) -> None:
    """Raises InvalidOption for a misspelt section, and for an assignment by path that names no such block or option.

    A section of another program is left alone, with a warning.
    """
    _check_sections(document)
    _check_settings(document)
    for entry in document.text.entries:
        if entry.operator != "[]" and entry.direct:
            _check_assignment(document, entry)


def _check_sections(document: Document) -> None:
    known = [*REGISTRIES, SETTINGS]
    strange = [name for name in document.section_names() if name not in known]
    for name in strange:
        near = nearest(name, known, cutoff=0.75)
        if near is not None:
            where = next(document.sections(name)).where
            raise InvalidOption(f"no section is called [{name}]; did you mean '{near}'?", where)
    unused = [name for name in strange if not any(word.startswith(f"{name}/") for word in document.text.used)]
    if unused:
        text = f"{document.name}: nothing reads the sections {listing(unused)}; there are: {listing(known)}"
        warnings.warn(SuspiciousReference(text), stacklevel=5)


def _check_settings(document: Document) -> None:
    for block in document.sections(SETTINGS):
        for name, item in {**block.fields(), **block.blocks()}.items():
            if name not in KNOWN:
                near = nearest(name, KNOWN)
                if near is not None:
                    raise InvalidOption(f"no setting is called '{name}'; did you mean '{near}'?", item.where)
                text = f"{item.where}: unknown setting, which is ignored"
                warnings.warn(SuspiciousReference(text), stacklevel=5)


def _check_assignment(document: Document, entry: Entry) -> None:
    text = document.text
    section, *inner = entry.path.split("/")
    where = text.where(entry.line, "/".join([section, *inner[:-1]]) if inner else "", inner[-1] if inner else section)
    if len(inner) > 1 and text.lines[entry.line - 1].after:
        check_not_baked(document, f"{section}/{inner[0]}", where)
    if entry.path in text.used or _changes_another(document, entry):
        return
    if not inner:
        if text.lines[entry.line - 1].after:
            near = suggestion(section, text.used | {e.path for e in text.entries} - {section})
            raise InvalidOption(f"nothing refers to '${{{section}}}', and no option is called so{near}", where)
    elif section == SETTINGS:
        if inner[0] not in KNOWN:
            raise InvalidOption(f"no setting is called '{inner[0]}'{_near(inner[0], KNOWN)}", where)
    elif section not in REGISTRIES:
        known = dict.fromkeys([*REGISTRIES, SETTINGS, *document.section_names()])
        known.pop(section, None)
        raise InvalidOption(f"no section is called [{section}]{_near(section, known)}", where)
    elif len(inner) == 1:
        raise InvalidOption(f"no option stands in a section itself; expected {section}/BLOCK/OPTION", where)
    else:
        _check_option(document, section, inner, where)


def _changes_another(document: Document, entry: Entry) -> bool:
    return any(e.path == entry.path and e is not entry and e.operator == "=" for e in document.text.entries)


def _check_option(document: Document, section: str, inner: list[str], where: Where) -> None:
    *blocks, option = inner
    written = _written_blocks(document)
    path = "/".join([section, *blocks])
    if path not in written:
        beside = [p.split("/")[1] for p in written if p.startswith(f"{section}/")]
        raise InvalidOption(f"there is no block [{path}]{_near(blocks[0], dict.fromkeys(beside))}", where)
    kind = document.blocks(section)[blocks[0]].field("type")
    if kind is None or len(blocks) > 1 or option == "type":
        return
    accepted = accepted_options(section, kind.text())
    if accepted is not None and option not in accepted:
        raise InvalidOption(f"a {kind.text()} has no option '{option}'{_near(option, accepted)}", where)


def _written_blocks(document: Document) -> set[str]:
    """Paths of the blocks that have a header, or are given their type."""
    return {
        entry.path.removesuffix("/type")
        for entry in document.text.entries
        if entry.operator == "[]" or (entry.operator == "=" and entry.path.endswith("/type"))
    }


def accepted_options(section: str, kind: str) -> list[str] | None:
    """The options of a type; None where they cannot be told."""
    cls = REGISTRIES[section].find(kind)
    if kind == TYPE or not getattr(cls, "AVAILABLE", True):
        return None
    names = getattr(cls, "option_names", None)
    return names() if names is not None else None


def _near(name: str, known: Iterable[str]) -> str:
    return suggestion(name, known) or f"; there are: {listing(known)}"

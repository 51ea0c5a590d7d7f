# SPDX-License-Identifier: MIT
"""The stub of a compiled model: its input file with the model's block replaced by a reference to the package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import nmhit

from neml2.locate import tie

if TYPE_CHECKING:
    from neml2.hit.input_file import InputFile

SHIM = """\
[{model}]
  type = AOTIModel
  artifact_path = '{artifact_path}'
  package = '{package}'
  input_directory = '{input_directory}'
  made_from = '{made_from}'
[]
"""


def identity(source: InputFile, *request: object) -> str:
    """What a package was made from: the input, overrides and includes applied, and what was asked for."""
    text = "".join(node.render() for node in source.document.root.children())
    return hashlib.sha256("\0".join([text, *map(repr, request)]).encode(errors="surrogateescape")).hexdigest()


def text(source: InputFile, model: str, artifact_path: Path, identity: str) -> str:
    """The text of the stub. Every other block is copied, overrides applied and includes spliced in.

    `artifact_path` is the folder that holds one package folder a device. Relative file names in other blocks refer to
    the folder of the input file, which the stub remembers as `input_directory`; as `made_from` it remembers the blocks
    whose values are in the package, so that nobody overrides them in vain. A path that an input file cannot hold
    (quotes, '#', '$') is written relative to the stub, or as a file URI.
    """
    folder = str(artifact_path) if _can_hold(str(artifact_path)) else artifact_path.name
    directory = source.directory.resolve()
    origin = str(directory) if _can_hold(str(directory)) else directory.as_uri()
    shim = SHIM.format(
        model=model,
        artifact_path=folder,
        package=tie(folder, identity),
        input_directory=origin,
        made_from=" ".join(path for path in source.built() if not path.startswith("Solvers/")),
    )
    parts = []
    for node in source.document.root.children():
        if node.type() == nmhit.NodeType.Section:
            parts.append(_section(node, shim if node.path() == "Models" else "", model, source.document.merged))
        else:
            parts.append(node.render().rstrip("\n") + "\n")
    return "".join(parts)


def _can_hold(path: str) -> bool:
    """Whether an input file gives back the path that is written into it."""
    import nmhit

    if not path.isprintable():  # lines are indented as they are written
        return False
    try:
        root = nmhit.parse_text(f"[s]\n  path = '{path}'\n[]\n", [], [])
        (section,) = root.children()
        (field,) = section.children()
        return field.param_str() == path
    except (nmhit.Error, TypeError, ValueError):
        return False


def _section(section: Any, shim: str, model: str, merged: Sequence[Any]) -> str:
    parts = []
    for child in section.children():
        if shim and child.type() == nmhit.NodeType.Section and child.path() == model:
            parts.append(shim if child not in merged else "")
        elif child not in merged:
            parts.append(child.render().strip("\n") + "\n")
    return f"[{section.path()}]\n{indent(''.join(parts), '  ')}[]\n"

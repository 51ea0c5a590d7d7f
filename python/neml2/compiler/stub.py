# SPDX-License-Identifier: MIT
"""The stub of a compiled model: its input file with the model's block replaced by a reference to the package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

from neml2.locate import tie

if TYPE_CHECKING:
    from neml2.hit.input_file import InputFile

SHIM = """\
[{model}]
  type = AOTIModel
  artifact_path = '{artifact_path}'
  package = '{package}'
  input_directory = '{input_directory}'
[]
"""


def identity(source: InputFile, *request: object) -> str:
    """What a package was made from: the input, overrides and includes applied, and what was asked for."""
    text = "".join(node.render() for node in source.document.root.children())
    return hashlib.sha256("\0".join([text, *map(repr, request)]).encode(errors="surrogateescape")).hexdigest()


def text(source: InputFile, model: str, artifact_path: Path, identity: str) -> str:
    """The text of the stub. Every other block is copied, overrides applied and includes spliced in.

    `artifact_path` is the folder that holds one package folder a device. Relative file names in other blocks refer to
    the folder of the input file, which the stub remembers as `input_directory`. A path that an input file cannot hold
    (quotes, '#', '$') is written relative to the stub, or as a file URI.
    """
    folder = str(artifact_path) if _can_hold(str(artifact_path)) else artifact_path.name
    directory = source.directory.resolve()
    origin = str(directory) if _can_hold(str(directory)) else directory.as_uri()
    shim = SHIM.format(model=model, artifact_path=folder, package=tie(folder, identity), input_directory=origin)
    parts = []
    for node in source.document.root.children():
        if _is_section(node, "Models") and any(_is_section(c, model) for c in node.children()):
            parts.append(_replaced(node, model, shim))
            shim = ""  # later blocks of that name were overrides of the first
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


def _is_section(node: Any, name: str) -> bool:
    import nmhit

    return node.type() == nmhit.NodeType.Section and node.path() == name


def _replaced(section: Any, model: str, shim: str) -> str:
    parts = [shim if _is_section(c, model) else c.render().strip("\n") + "\n" for c in section.children()]
    return f"[{section.path()}]\n{indent(''.join(parts), '  ')}[]\n"

# SPDX-License-Identifier: MIT
"""The stub of a compiled model: its input file with the model's block replaced by a reference to the package."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neml2.hit.input_file import InputFile

SHIM = """\
[{model}]
  type = AOTIModel
  artifact_path = '{artifact_path}'
  input_directory = '{input_directory}'
[]
"""


def text(source: InputFile, model: str, artifact_path: Path) -> str:
    """The text of the stub. Every other block is copied, overrides applied and includes spliced in.

    `artifact_path` is the folder that holds one package folder a device. Relative file names in other blocks refer to
    the folder of the input file, which the stub remembers as `input_directory`.
    """
    shim = SHIM.format(model=model, artifact_path=artifact_path, input_directory=source.directory.resolve())
    parts = []
    for node in source.document.root.children():
        if _is_section(node, "Models") and any(_is_section(c, model) for c in node.children()):
            parts.append(_replaced(node, model, shim))
            shim = ""  # later blocks of that name were overrides of the first
        else:
            parts.append(node.render().rstrip("\n") + "\n")
    return "".join(parts)


def _is_section(node: Any, name: str) -> bool:
    import nmhit

    return node.type() == nmhit.NodeType.Section and node.path() == name


def _replaced(section: Any, model: str, shim: str) -> str:
    parts = [shim if _is_section(c, model) else c.render().strip("\n") + "\n" for c in section.children()]
    return f"[{section.path()}]\n{indent(''.join(parts), '  ')}[]\n"

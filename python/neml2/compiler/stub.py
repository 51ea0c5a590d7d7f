# SPDX-License-Identifier: MIT
"""The stub of a compiled model: its input file with the model's block replaced by a reference to the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import nmhit

if TYPE_CHECKING:
    from neml2.hit.input_file import InputFile

SHIM = """\
[{model}]
  type = AOTIModel
  artifact_path = '{artifact_path}'
  input_directory = '{input_directory}'
  made_from = '{made_from}'
[]
"""


def text(source: InputFile, model: str, artifact_path: Path) -> str:
    """The text of the stub. Every other block is copied, overrides applied and includes spliced in.

    `artifact_path` is the folder that holds one package folder a device. Relative file names in other blocks refer to
    the folder of the input file, which the stub remembers as `input_directory`; as `made_from` it remembers the blocks
    whose values are in the package, so that nobody overrides them in vain.
    """
    shim = SHIM.format(
        model=model,
        artifact_path=artifact_path,
        input_directory=source.directory.resolve(),
        made_from=" ".join(path for path in source.built() if not path.startswith("Solvers/")),
    )
    parts = []
    for node in source.document.root.children():
        if node.type() == nmhit.NodeType.Section:
            parts.append(_section(node, shim if node.path() == "Models" else "", model, source.document.merged))
        else:
            parts.append(node.render().rstrip("\n") + "\n")
    return "".join(parts)


def _section(section: Any, shim: str, model: str, merged: Sequence[Any]) -> str:
    parts = []
    for child in section.children():
        if shim and child.type() == nmhit.NodeType.Section and child.path() == model:
            parts.append(shim if child not in merged else "")
        elif child not in merged:
            parts.append(child.render().strip("\n") + "\n")
    return f"[{section.path()}]\n{indent(''.join(parts), '  ')}[]\n"

# SPDX-License-Identifier: MIT
"""The commands, as their --help says it."""

from __future__ import annotations

import contextlib
import io
import os
import re
from importlib.metadata import EntryPoint, entry_points


def page() -> str:
    found = {entry.name: entry for entry in entry_points(group="console_scripts") if entry.value.startswith("neml2.")}
    parts = [f"## {name}\n\n```text\n{help_of(found[name])}\n```\n" for name in sorted(found)]
    return "\n".join(["# Commands\n\nThe programs that the package installs.\n", *parts])


def help_of(command: EntryPoint) -> str:
    os.environ["COLUMNS"] = "100"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        command.load()(["--help"])
    return re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue()).strip()

# SPDX-License-Identifier: MIT
"""Which packages belong to the stub of a compiled model, and where they are."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def tie(artifact_path: str, identity: str) -> str:
    """What a stub says of the packages that belong to it. An `artifact_path` changed by hand unties them, so that what
    it names is loaded, and not what lies beside the stub."""
    return hashlib.sha256(os.fsencode(f"{artifact_path}\0{identity}")).hexdigest()


def package_files(stub: Path, artifact_path: str, package: str, name: str) -> list[Path]:
    """Metadata files of the model `name`, in the order in which they count: beside the stub if made with it, then in
    the folder `artifact_path`, then beside the stub. `package` is the stub's tie."""
    given = stub.parent / artifact_path
    beside = stub.parent / given.name
    found = {folder: sorted(folder.glob(f"*/{name}_meta.json")) for folder in (beside, given)}
    own = [path for path in found[beside] if package and tie(artifact_path, _identity(path)) == package]
    return list(dict.fromkeys([*own, *found[given], *found[beside]]))


def _identity(metadata: Path) -> str:
    try:
        return str(json.loads(metadata.read_bytes())["identity"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""

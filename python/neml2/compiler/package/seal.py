# SPDX-License-Identifier: MIT
"""The text of a package's metadata: JSON that begins with a hash of itself.

The hash is the SHA-256 of the text with zeros in the place of its own 64 digits. JSON has no infinities and no NaN;
they are written as words.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

_BLANK = "0" * 64


def sealed(metadata: dict[str, Any]) -> str:
    """`metadata` as text, with its hash."""
    content = {"sha256": _BLANK, **{k: v for k, v in metadata.items() if k != "sha256"}}
    text = json.dumps(_words(content), indent=1, allow_nan=False) + "\n"
    return text.replace(_BLANK, hashlib.sha256(text.encode()).hexdigest(), 1)


def _words(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # "inf", "-inf", "nan"
    if isinstance(value, dict):
        return {key: _words(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_words(item) for item in value]
    return value

# SPDX-License-Identifier: MIT
"""Damage to bytes and to JSON."""

from __future__ import annotations

import copy
import random
from typing import Any

STRANGE: list[Any] = [None, True, -1, 0, 1, 1 << 31, 1 << 62, 1 << 64, 0.5, 1e300, "inf", "", "../x", [], {}, [[]]]


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Bits flipped, a piece lost, repeated or overwritten, or the end cut off."""
    data = bytearray(content)
    kind = rng.choice(["bits", "bits", "bits", "cut", "lose", "repeat", "overwrite"])
    at, length = rng.randrange(len(data)), rng.randint(1, 64)
    if kind == "bits":
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "lose":
        del data[at : at + length]
    elif kind == "repeat":
        data[at:at] = data[at : at + length]
    else:
        data[at : at + length] = rng.randbytes(length)
    return bytes(data)


def _places(value: Any, path: tuple = ()) -> list[tuple]:
    """Paths of everything inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in _places(item, (*path, key)))]


def _at(root: Any, path: tuple) -> Any:
    for key in path:
        root = root[key]
    return root


def mutated(rng: random.Random, root: dict[str, Any]) -> dict[str, Any]:
    """A copy with one to three parts changed: a number a little or a lot, a part in the place of another, a member lost
    or repeated."""
    root = copy.deepcopy(root)
    for _ in range(rng.randint(1, 3)):
        places = _places(root)[1:]
        path = rng.choice(places)
        holder, key = _at(root, path[:-1]), path[-1]
        value = holder[key]
        kind = rng.choice(["strange", "swap", "near", "lose", "repeat"])
        if kind == "strange":
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
        elif kind == "swap":
            holder[key] = copy.deepcopy(_at(root, rng.choice(places)))
        elif kind == "near" and isinstance(value, int):
            holder[key] = value + rng.randint(-16, 16)
        elif kind == "lose":
            del holder[key]
        elif kind == "repeat" and isinstance(holder, list):
            holder[key:key] = [copy.deepcopy(value) for _ in range(rng.choice([1, 1, 50]))]
    return root

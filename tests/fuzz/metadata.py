# SPDX-License-Identifier: MIT
"""Metadata whose bits or parts are changed, with the old hash, without one, or with the one that belongs to them."""

from __future__ import annotations

import json
import random
from pathlib import Path

from _packages import copied, load_and_call, metadata_of, packages
from mutations import damaged, mutated

from neml2 import aoti
from neml2.compiler.package.seal import sealed


class Target:
    def __init__(self, folder: Path) -> None:
        self.packages = [copied(p, folder / str(k)) for k, p in enumerate(packages())]
        self.originals = [metadata_of(p).read_bytes() for p in self.packages]

    def run(self, rng: random.Random) -> None:
        which = rng.randrange(len(self.packages))
        original, path = self.originals[which], metadata_of(self.packages[which])
        try:
            if rng.random() < 0.3:
                path.write_bytes(damaged(rng, original))
                if path.read_bytes() != original:
                    self.refused(path)
                return
            root = mutated(rng, json.loads(original))
            if rng.random() < 0.2:  # as earlier versions wrote it
                root.pop("sha256", None)
                path.write_text(json.dumps({**root, "schema": 1}))
            else:
                path.write_text(sealed(root))
            load_and_call(rng, path)
        finally:
            path.write_bytes(original)

    @staticmethod
    def refused(path: Path) -> None:
        try:
            aoti.Model(path)
        except aoti.FatalError as error:
            assert path.name in str(error)
        else:
            raise AssertionError("damaged metadata were accepted")

# SPDX-License-Identifier: MIT
"""Package folders whose files are damaged, cut, exchanged or missing, and archives whose structure is changed while all
hashes hold."""

from __future__ import annotations

import json
import random
from pathlib import Path

from _packages import copied, load_and_call, metadata_of, packages
from mutations import damaged

from neml2 import aoti
from neml2.compiler.package.kernel_cache import digest
from neml2.compiler.package.seal import sealed


class Target:
    def __init__(self, folder: Path) -> None:
        self.packages = [copied(p, folder / str(k)) for k, p in enumerate(packages())]
        self.originals = [{f.name: f.read_bytes() for f in sorted(p.iterdir())} for p in self.packages]

    def run(self, rng: random.Random) -> None:
        which = rng.randrange(len(self.packages))
        package, original = self.packages[which], self.originals[which]
        code = [name for name in original if not name.endswith(".json")]
        archives = [name for name in code if name.endswith(".pt2")]
        changed = dict(original)
        valid = False
        kind = rng.choice(["damage", "damage", "lose", "swap", "exchange", "structure"])
        if kind == "damage":
            name = rng.choice(list(original))
            changed[name] = damaged(rng, original[name])
        elif kind == "lose":
            del changed[rng.choice(list(original))]
        elif kind == "swap":  # a file of another package
            other = self.originals[rng.randrange(len(self.originals))]
            changed[rng.choice(code)] = other[rng.choice([n for n in other if not n.endswith(".json")])]
            valid = rng.random() < 0.5
        elif kind == "exchange":
            one, two = rng.choice(code), rng.choice(code)
            changed[one], changed[two] = original[two], original[one]
            valid = rng.random() < 0.5
        elif archives:
            name = rng.choice(archives)
            changed[name] = self.restructured(rng, original[name])
            valid = True
        try:
            for name in original:
                (package / name).unlink(missing_ok=True)
            for name, content in changed.items():
                (package / name).write_bytes(content)
            if valid:
                self.rehash(package)
            self.check(rng, package, changed == original, valid)
        finally:
            for name, content in original.items():
                (package / name).write_bytes(content)

    @staticmethod
    def restructured(rng: random.Random, archive: bytes) -> bytes:
        """Bits of the table of contents changed, which lies at the end; the code stays as it is."""
        data = bytearray(archive)
        table = archive.index(b"PK\x01\x02", len(archive) - 2000 if len(archive) > 2000 else 0)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(table, len(data))] ^= 1 << rng.randrange(8)
        return bytes(data)

    @staticmethod
    def rehash(package: Path) -> None:
        path = metadata_of(package)
        root = json.loads(path.read_text())
        for name in root["files"]:
            root["files"][name] = {"sha256": digest(package / name), "bytes": (package / name).stat().st_size}
        path.write_text(sealed(root))

    @staticmethod
    def check(rng: random.Random, package: Path, same: bool, valid: bool) -> None:
        path = next(iter(package.glob("*_meta.json")), package / "model_meta.json")
        if same or valid:
            return load_and_call(rng, path)
        try:
            aoti.Model(path)
        except aoti.FatalError as error:
            assert str(package) in str(error)
        else:
            raise AssertionError("a damaged package was accepted")

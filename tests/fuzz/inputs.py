# SPDX-License-Identifier: MIT
"""Input files, mutated: loading one and building all it holds ends well, or in an error that names a place."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TOKENS = (
    "[a]", "[]", "[Models]", "[Models/a]", "[../]", "[./x]", "'", '"', "'''", "#", "${", "}", "${E}", "${raw ${E} x}",
    "=", ":=", ";", "type", "!include m.i", "!include part.i", "!include .", "${env HOME}", "${replace ${E}}",
    "/", "\\", "$", "\0", "\r", "\t", "nan", "inf", "-0", "1e999", "1e-999", "99999999999999999999", "2147483648", "-1",
    "0x10", "1e3", "12abc", "1_000", "true", "\u00e9", "\u2028", "~1", "a~99999999999999999999", "''", "' '",
    "1 2 3", "''' '''",
    "lambda: 0", "__import__", "class",
)  # fmt: skip
OVERRIDES = (
    "Models/a/x:=1", "E=3", "E:=3", "Settings/dynamic_batch:=maybe", "x", "", "=", "Models/:=1", "/=1", "[Models]",
    "a:override=2", "Models/a/type=ComposedModel", "!include m.i", "'", "[Models]\n[a]\nE := 1\n[]\n[]",
    "Tensors/a/expr:='1'",
)  # fmt: skip
UNSAFE = re.compile(r"import|exec|eval|open|getattr|while|\*\*|1e[3-9]|\d{5,}|save_as|_artifact|csv_file|reference")
"""What an expression of [Tensors] must not get to run with, and options that name files."""


def corpus() -> list[str]:
    """The input files of the examples and tests, and the texts in the tests' modules."""
    files = [p for part in ("examples", "tests") for p in sorted((ROOT / part).rglob("*.i"))]
    texts = [p.read_text() for p in files]
    for path in sorted((ROOT / "tests" / "python").rglob("*.py")):
        for text in re.findall(r'"""(.*?)"""', path.read_text(), re.DOTALL):
            if re.search(r"^\s*\[(Models|Tensors|Solvers|Drivers)\]", text, re.MULTILINE) and "{" not in text:
                texts.append(text)
    return texts


class Target:
    def __init__(self, folder: Path) -> None:
        from neml2.hit import REGISTRIES

        for registry in REGISTRIES.values():  # so that no case has to wait for it
            registry.names()
        self.folder = folder
        self.texts = corpus()
        self.path = folder / "m.i"
        (folder / "part.i").write_text("[Models]\n  [part]\n    type = ComposedModel\n  []\n[]\n")

    def run(self, rng: random.Random) -> None:
        """One file, read from disk, with one to eight changes."""
        text = rng.choice(self.texts).encode()
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            text = rng.choice(MUTATIONS)(rng, text, self.texts)
        self.path.write_bytes(text)
        pre = [rng.choice(OVERRIDES)] if rng.random() < 0.1 else ["E=3"]
        post = [rng.choice(OVERRIDES) for _ in range(rng.choice((0, 0, 1, 2)))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.build(pre, post)

    def build(self, pre: list[str], post: list[str]) -> None:
        from neml2.hit import REGISTRIES, load_input

        source = self.attempt(lambda: load_input(self.path, pre=pre, post=post))
        if source is None:
            return
        for section in REGISTRIES:
            for name in self.attempt(lambda s=section: source.names(s)) or ():
                if section != "Tensors" or not UNSAFE.search(str(source.document.text)):
                    self.attempt(lambda s=section, n=name: source.get(s, n))
        self.attempt(lambda: source.settings)

    def attempt(self, action: Callable):
        """What the action gives, None where it ends in one of our errors. Raises AssertionError for any other."""
        from neml2.errors import InputError

        try:
            return action()
        except InputError as error:
            assert error.message.strip(), "an error without words"
            place = error.where.file or error.where.block or error.where.option
            assert place, f"no place in: {type(error).__name__}: {error}"
        except (OSError, MemoryError) as error:
            assert str(self.folder) in str(error), f"no place in: {error}"
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} is none of our errors: {error}") from error


# -- mutations: bytes, tokens, lines, blocks, nesting, numbers, references -----------------------------------------


def flip(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    at = rng.randrange(len(text) + 1)
    return text[:at] + bytes([rng.randrange(256)]) + text[at + rng.randrange(2) :]


def insert(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at]
        + rng.choice((b"", b" ", b"\n"))
        + rng.choice(TOKENS).encode()
        + rng.choice((b"", b" ", b"\n"))
        + text[at:]
    )


def cut(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    at = rng.randrange(len(text) + 1)
    return text[:at] + text[at + rng.choice((1, 5, 50)) :]


def value(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    """Another value for one option."""
    found = list(re.finditer(rb"= *([^\n]*)", text))
    if not found:
        return text
    match = rng.choice(found)
    other = rng.choice((rng.choice(TOKENS).encode(), rng.choice(found)[1]))
    return text[: match.start(1)] + other + text[match.end(1) :]


def word(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    """One word in the place of another, or misspelt."""
    found = list(re.finditer(rb"\w+", text))
    if not found:
        return text
    match = rng.choice(found)
    other = rng.choice((rng.choice(found)[0], match[0][::-1], match[0] + b"x", match[0] * 2))
    return text[: match.start()] + other + text[match.end() :]


def lines(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    """A few lines left out, repeated or moved."""
    rows = text.split(b"\n")
    at, count = rng.randrange(len(rows)), rng.randrange(1, 6)
    part = rows[at : at + count]
    rest = rows[:at] + rows[at + count :]
    to = rng.randrange(len(rest) + 1)
    return b"\n".join(rng.choice((rest, rows[:at] + part + rows[at:], rest[:to] + part + rest[to:])))


def splice(rng: random.Random, text: bytes, texts: list[str]) -> bytes:
    other = rng.choice(texts).encode()
    return text[: rng.randrange(len(text) + 1)] + other[rng.randrange(len(other) + 1) :]


def nest(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    depth = rng.choice((2, 60, 70, 9000))
    form = rng.choice(
        ((b"[a]\n", b"[]\n"), (b"[a/b]", b"[]"), (b"a/", b"x = 1\n"), (b"x = ${raw ", b"}"), (b"${", b"}"))
    )
    return rng.choice((text + form[0] * depth + form[1] * depth, form[0] * depth + text + form[1] * depth))


def refer(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    """Values that refer to others, in chains, rings and doubling."""
    count = rng.choice((1, 2, 20, 100, 5000))
    double = rng.random() < 0.3
    rows = [f"v{i} = '{f'${{v{i - 1}}}' * (1 + double)}'" for i in range(1, count)]
    first = rng.choice((f"v0 = ${{v{count - 1}}}", "v0 = 1", "v0 = ''", "E := ${v0}"))
    used = re.sub(rb"= *\w+", f"= ${{v{count - 1}}}".encode(), text, count=rng.randrange(1, 4))
    return used + "\n".join(["", first, *rows, ""]).encode()


def ends(rng: random.Random, text: bytes, _: list[str]) -> bytes:
    mark = rng.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe"))
    return mark + text.replace(b"\n", rng.choice((b"\n", b"\r\n", b"\r")))


MUTATIONS = (flip, insert, cut, value, value, word, word, lines, lines, splice, nest, refer, ends)

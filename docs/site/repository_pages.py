# SPDX-License-Identifier: MIT
"""The pages that are in the repository, where they stand there: so their links to one another hold. A page that comes
is found; one that goes is not missed."""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGES = ("docs/*.md", "examples/*/README.md", "benchmarks/*/README.md", "CHANGELOG.md")
LINK = re.compile(r"(?P<image>!?)\[(?P<words>[^\]]*)\]\((?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
FENCE = re.compile(r"^(```.*?^```|~~~.*?^~~~)", re.DOTALL | re.MULTILINE)

# Section, its opening words, its pages in order; a page of docs/ that none names comes last in HOW_TO.
START = "start"
HOW_TO = "howto"
SECTIONS = {
    START: ("Start", "", ["start", "docs/your-own-model", "upstream", "docs/deviations"]),
    HOW_TO: (
        "How to",
        "",
        [
            *("docs/drivers", "docs/calibration", "docs/crystals", "docs/gradients", "docs/native", "docs/minimizing"),
            *("docs/host", "docs/hosts"),
        ],
    ),
    "reference": (
        "Reference",
        "",
        ["catalogue/index", "cpp/index", "python/index", "commands", "docs/operations"],
    ),
    "internals": (
        "How it works",
        "",
        ["docs/architecture", "docs/performance", "docs/testing", "CHANGELOG"],
    ),
}
EXAMPLES = "examples/index"
BENCHMARKS = "benchmarks/index"


def repository(root: Path) -> dict[str, str]:
    """Path -> text of the pages of the repository; the README's are `index.md` and `start.md`."""
    found = {path.relative_to(root).as_posix(): path for glob in PAGES for path in sorted(root.glob(glob))}
    return {name: linked(path.read_text(encoding="utf-8"), name, root, set(found)) for name, path in found.items()}


def linked(text: str, name: str, root: Path, known: set[str]) -> str:
    """The page's text with links that hold on the site: one to a folder goes to its README, one to what is not there
    loses all but its words."""

    def mended(match: re.Match[str]) -> str:
        path = match["path"]
        if re.match(r"[a-z]+:|/", path):
            return match[0]
        target = os.path.normpath(os.path.join(os.path.dirname(name), path))
        if f"{target}/README.md" in known:
            return f"{match['image']}[{match['words']}]({path.rstrip('/')}/README.md)"
        if target in known and match["words"] == path:
            return f"[]({path}{match['anchor'] or ''})"  # its title
        return match[0] if target in known or (root / target).is_file() else match["words"]

    parts = FENCE.split(text)
    return "".join(part if FENCE.match(part) else LINK.sub(mended, part) for part in parts)


def files_beside(root: Path, pages: dict[str, str]) -> list[str]:
    """What pages show or link to that is no page: pictures, programs."""
    found = set()
    for name, text in pages.items():
        for match in LINK.finditer(FENCE.sub("", text)):
            path = os.path.normpath(os.path.join(os.path.dirname(name), match["path"]))
            if path not in pages and (root / path).is_file():
                found.add(path)
    return sorted(found)


# -- the README, and pages that list others ----------------------------------------------------------------------


def sections(found: dict[str, str], here: Path) -> dict[str, str]:
    """The pages of this folder, with what they take from the README, and one page for each section."""
    root = here.parents[1]
    readme = linked((root / "README.md").read_text(encoding="utf-8"), "README.md", root, set(found))
    intro, how = parts_of(readme)
    pages = {path.name: path.read_text(encoding="utf-8") for path in sorted(here.glob("*.md"))}
    pages["index.md"] = pages["index.md"].replace("<!-- README: what it is -->", intro)
    pages["start.md"] = pages["start.md"].replace("<!-- README: how to -->", how)
    pages["examples/index.md"] = listing("Examples", folder(found, "examples"), "Programs to start from.")
    pages["benchmarks/index.md"] = listing("Benchmarks", folder(found, "benchmarks"), "What was measured, and how.")
    from commands import page as commands

    pages["commands.md"] = commands()
    everything = {name.removesuffix(".md") for name in (*found, *pages)}
    named = {page for _, _, rows in SECTIONS.values() for page in rows}
    others = sorted(page for page in everything - named if page.startswith("docs/"))
    for name, (title, words, rows) in SECTIONS.items():
        more = [*others, EXAMPLES] if name == HOW_TO else [BENCHMARKS] if name == "internals" else []
        there = [page for page in [*rows, *more] if page in everything]
        texts = {**found, **pages}
        pages[f"{name}/index.md"] = overview(title, words, {page: texts[f"{page}.md"] for page in there})
    return pages


def parts_of(readme: str) -> tuple[str, str]:
    """What it is, before the first heading of second order; and the rest without its list of links."""
    opening, *rest = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    how = [part for part in rest if not part.startswith("## More")]
    return opening.split("\n", 1)[1].strip(), "".join(how).strip()


def folder(found: dict[str, str], name: str) -> list[str]:
    return [page.removesuffix(".md") for page in found if page.startswith(f"{name}/")]


def listing(title: str, pages: list[str], words: str) -> str:
    return f"# {title}\n\n{words}\n\n{toctree(pages, 'maxdepth: 1')}"


def overview(title: str, words: str, pages: dict[str, str]) -> str:
    rows = [f"[{title_of(text)}](/{page}.md)\n: {first_words(text)}\n" for page, text in pages.items()]
    return f"# {title}\n\n{words}\n\n" + "\n".join(rows) + "\n" + toctree(list(pages), "hidden:")


def toctree(pages: list[str], *options: str) -> str:
    lines = "".join(f":{option}\n" for option in options)
    return f"```{{toctree}}\n{lines}\n" + "\n".join(f"/{page}" for page in pages) + "\n```\n"


def title_of(text: str) -> str:
    return next(line[2:].strip() for line in text.splitlines() if line.startswith("# "))


def first_words(text: str) -> str:
    """The first sentence of the first paragraph of prose."""
    body = FENCE.sub("", text)
    for paragraph in body.split("\n\n"):
        plain = " ".join(paragraph.split())
        if plain and not re.match(r"[#|!<>:({-]|\d|\(", plain):
            plain = LINK.sub(lambda match: match["words"], plain)
            sentence = re.match(r".*?[.:](?= [A-Z]|$)", plain)
            return (sentence[0] if sentence else plain).rstrip(":.") + "."
    return "\\"

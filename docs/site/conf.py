# SPDX-License-Identifier: MIT
"""Sphinx: see build.py."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from hit_lexer import HitLexer
from latex2mathml.converter import convert

import neml2

project = "neml2"
author = "the authors of neml2"
project_copyright = "the authors of neml2"
version = release = neml2.__version__
html_title = f"neml2 {version}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "breathe",
]
source_suffix = {".md": "markdown"}
highlight_language = "none"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "linkify"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "header_links_before_dropdown": 6,
    "search_bar_text": "Search types, functions, text",
}
html_sidebars = {"index": []}

# No network here: links to the outside are not followed.
linkcheck_ignore = ["https?://.*"]

# Names of other libraries are not looked up.
nitpicky = True
nitpick_ignore_regex = [
    ("cpp:.*", r"(std|at|c10|torch|nlohmann)(::.*)?"),
    ("cpp:.*", r".*"),
    ("py:.*", r".*"),
]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "show-inheritance": False}
default_role = "literal"
# `Model` of neml2.aoti and of neml2.models, in signatures; languages that have no colours.
suppress_warnings = ["ref.python", "misc.highlighting_failure"]

python_maximum_signature_line_length = 80
cpp_maximum_signature_line_length = 100

breathe_projects = {"neml2": os.environ.get("NEML2_DOXYGEN", "")}
breathe_default_project = "neml2"
breathe_show_include = True

# Types whose names mean other things in prose.
OTHER_THINGS = ("Newton", "Python")

html_math_renderer = "mathml"


def prose(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are prose: outside of `code`, signs that would be markup are themselves."""
    lines[:] = "\n\n".join(paragraph(text) for text in "\n".join(lines).split("\n\n")).split("\n")


def paragraph(text: str) -> str:
    lines = text.strip("\n").split("\n")
    if any(re.search(r"\S {3,}\S", line) for line in lines):  # columns
        return "\n".join(["::", "", *(f"    {line}" for line in lines)])
    parts = re.split(r"(``[^`]+``|`[^`]+`)", text)
    parts[::2] = [re.sub(r"([*|]|_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
    text = "".join(parts)
    heads = [line for line in lines if not line.startswith(" ")]
    if len(heads) > 1 and all(re.match(r"[\w, ]+: ", line) for line in heads):  # what each argument means
        text = re.sub(r"^([\w, ]+): ", r"- **\1**: ", text.replace("\n    ", "\n  "), flags=re.MULTILINE)
    return text


def doxygen_link(app: Any, env: Any, node: Any, text: Any) -> Any:
    """What a comment of a header mentions, where it has an entry; else its words alone."""
    found = re.fullmatch(r"(?:class|struct|namespace)(neml2\w*?)(?:_1a\w{32,})?", node.get("reftarget", ""))
    if found:
        name = found[1].replace("_1_1", "::")
        domain = env.get_domain("cpp")
        return domain.resolve_xref(env, node["refdoc"], app.builder, "identifier", name, node, text) or text
    return text if re.search(r"_8h(_source)?(_1a\w+)?$", node.get("reftarget", "")) else None


def link_types(app: Any, doctree: Any, page: str) -> None:
    """`VoceIsotropicHardening` on a page leads to the catalogue."""
    from docutils import nodes

    if app.builder.format != "html":
        return
    labels = app.env.get_domain("std").labels
    for node in list(doctree.findall(nodes.literal)):
        name = node.astext()
        target, anchor, title = labels.get(f"type-{name.lower()}", ("", "", ""))
        if title == name and name not in OTHER_THINGS and not isinstance(node.parent, nodes.reference):
            link = nodes.reference("", "", internal=True)
            link["refuri"] = f"{app.builder.get_relative_uri(page, target)}#{anchor}"
            node.replace_self(link)
            link += node


def math(self: Any, node: Any) -> None:
    self.body.append(convert(node.astext()))


def displayed_math(self: Any, node: Any) -> None:
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')


def setup(app: Any) -> dict[str, bool]:
    from docutils.nodes import SkipNode

    def skipping(visit: Any) -> Any:
        def visited(self: Any, node: Any) -> None:
            visit(self, node)
            raise SkipNode

        return visited

    app.add_html_math_renderer("mathml", (skipping(math), None), (skipping(displayed_math), None))
    for language in ("hit", "ini"):  # input files on pages are `ini`, which forges know
        app.add_lexer(language, HitLexer)
    app.connect("autodoc-process-docstring", prose, priority=1)
    app.connect("doctree-resolved", link_types)
    app.connect("missing-reference", doxygen_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

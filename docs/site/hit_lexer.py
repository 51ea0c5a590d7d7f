# SPDX-License-Identifier: MIT
"""Colours for input files."""

from __future__ import annotations

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, String, Text


class HitLexer(RegexLexer):
    name = "HIT"
    aliases = ("hit",)
    filenames = ("*.i",)
    tokens = {
        "root": [
            (r"#.*", Comment.Single),
            (r"\[[^\]]*\]", Keyword),
            (r"([\w/]+)(\s*)(:?=)(\s*)", bygroups(Name.Attribute, Text, Operator, Text), "value"),
            (r"!include\s+\S+", Comment.Preproc),
            (r"\s+|.", Text),
        ],
        "value": [
            (r"'[^']*'", String, "#pop"),
            (r'"[^"]*"', String, "#pop"),
            (r"[-+]?[\d.]+(e[-+]?\d+)?(?=\s)", Number, "#pop"),
            (r"[^\s#]+", Name, "#pop"),
        ],
    }

# SPDX-License-Identifier: MIT
"""Pages of the C++ headers, from what Doxygen finds in them, and of the Python packages."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

# Headers of a page: folder of include/neml2, or one header. What generated code alone includes is not here.
CPP = {
    "calling": ("Loading and calling models", ["aoti/load_model.h", "aoti/Model.h", "aoti/History.h", "aoti"]),
    "dispatchers": ("Several devices", ["dispatchers"]),
    "interfaces": ("Interfaces of host programs", ["native/interfaces"]),
    "kernel": ("Native kernels without the library", ["native/Kernel.h"]),
    "solvers": ("Solvers", ["solvers"]),
    "threads": ("Threads", ["threads/allowed.h"]),
}
DOXYFILE = """\
PROJECT_NAME = neml2
INPUT = {headers}
STRIP_FROM_PATH = {include}
OUTPUT_DIRECTORY = {out}
RECURSIVE = YES
EXCLUDE_PATTERNS = */detail/* */csrc/*
GENERATE_HTML = NO
GENERATE_LATEX = NO
GENERATE_XML = YES
XML_PROGRAMLISTING = NO
JAVADOC_AUTOBRIEF = YES
EXTRACT_ALL = NO
VERBATIM_HEADERS = NO
MACRO_EXPANSION = YES
PREDEFINED = NEML2_EXPORT= NEML2_LU_INLINE=inline DOXYGEN
QUIET = YES
WARN_IF_UNDOCUMENTED = NO
WARN_IF_INCOMPLETE_DOC = NO
WARN_NO_PARAMDOC = NO
WARN_AS_ERROR = FAIL_ON_WARNINGS
"""
CPP_OPENING = """# C++ reference

`find_package(neml2)` or `pkg-config --cflags --libs neml2` finds what is here. [](/docs/host.md) tells how it is used.

"""
PYTHON = ("", "aoti", "native", "types", "models", "hit", "drivers", "crystal")
"""First pages of the Python reference; other packages that say what they hold (`__all__`) come after these."""
IN_CATALOGUE = ("solvers", "equations", "data")
PYTHON_OPENING = """# Python reference

"""
AUTOMODULE = """# {name}

```{{eval-rst}}
.. automodule:: {name}
   :members: {members}
```
"""


def doxygen(root: Path, out: Path) -> dict[str, dict[str, list[str]]]:
    """Page -> header -> directives for what it documents; XML is in `out`/xml."""
    if shutil.which("doxygen") is None:
        raise SystemExit("error: doxygen is missing; `make docs` installs it (Debian: apt-get install doxygen)")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    include = root / "include"
    headers = [include / "neml2" / place for _, places in CPP.values() for place in places]
    there = " ".join(str(path) for path in headers if path.exists())
    (out / "Doxyfile").write_text(DOXYFILE.format(headers=there, include=include, out=out))
    subprocess.run(["doxygen", str(out / "Doxyfile")], check=True)
    known = documented(out / "xml")
    found = {}
    for page, (_, places) in CPP.items():
        names = [name for place in places for name in known if name.startswith(f"neml2/{place}")]
        found[page] = {name: known[name] for name in names}
    return {page: rows for page, rows in found.items() if rows}


def documented(xml: Path) -> dict[str, list[str]]:
    """Header -> directives for its classes and, in namespaces, functions, types and enumerations with a comment."""
    found: dict[str, list[str]] = {}
    compounds = [ElementTree.parse(path).getroot().find("compounddef") for path in sorted(xml.glob("*neml2*.xml"))]
    for kind in ("class", "struct", "namespace"):
        for compound in (item for item in compounds if item is not None and item.get("kind") == kind):
            name = compound.findtext("compoundname")
            if "detail" in name or "::NEML2_" in name:
                continue
            if kind == "namespace":
                members(compound, found)
            elif has_comment(compound) and not nested(name, compounds):
                add(found, compound, f".. doxygen{kind}:: {name}\n   :members:\n   :undoc-members:\n")
    return dict(sorted(found.items()))


def members(namespace: ElementTree.Element, found: dict[str, list[str]]) -> None:
    rows = [row for row in namespace.iter("memberdef") if has_comment(row)]
    names = [row.findtext("name") for row in rows]
    for row, name in zip(rows, names, strict=True):
        arguments = row.findtext("argsstring") if row.get("kind") == "function" and names.count(name) > 1 else ""
        title = f"{namespace.findtext('compoundname')}::{name}{arguments}"
        add(found, row, f".. doxygen{row.get('kind')}:: {title}\n")


def has_comment(element: ElementTree.Element) -> bool:
    return any("".join(element.find(part).itertext()).strip() for part in ("briefdescription", "detaileddescription"))


def nested(name: str, compounds: list[ElementTree.Element]) -> bool:
    """Whether it is part of a class, which shows it."""
    outer = name.rpartition("::")[0]
    return any(item.findtext("compoundname") == outer and item.get("kind") != "namespace" for item in compounds)


def add(found: dict[str, list[str]], element: ElementTree.Element, directive: str) -> None:
    found.setdefault(element.find("location").get("file"), []).append(directive)


def cpp_pages(headers: dict[str, dict[str, list[str]]]) -> dict[str, str]:
    rows = "\n".join(headers)
    pages = {"cpp/index.md": f"{CPP_OPENING}```{{toctree}}\n:maxdepth: 2\n\n{rows}\n```\n"}
    for page, names in headers.items():
        parts = [f"# {CPP[page][0]}\n"]
        for name, directives in names.items():
            parts.append("## {}\n\n```{{eval-rst}}\n{}\n```\n".format(name, "\n".join(directives)))
        pages[f"cpp/{page}.md"] = "\n".join(parts)
    return pages


def python_pages() -> dict[str, str]:
    rows = {}
    for name in python_modules():
        module = importlib.import_module(name)
        rows[name] = AUTOMODULE.format(name=name, members=", ".join(public(module)))
    tree = "\n".join(rows)
    index = f"{PYTHON_OPENING}```{{toctree}}\n:maxdepth: 1\n\n{tree}\n```\n"
    return {"python/index.md": index, **{f"python/{name}.md": text for name, text in rows.items()}}


def python_modules() -> list[str]:
    """`neml2` and those of its packages that say what they hold; not those that need what is not installed."""
    import neml2

    others = {info.name for info in pkgutil.iter_modules(neml2.__path__) if not info.name.startswith("_")}
    names = dict.fromkeys([*PYTHON, *sorted(others.difference(IN_CATALOGUE))])
    found = []
    for name in names:
        full = f"neml2.{name}".rstrip(".")
        try:
            module = importlib.import_module(full)
        except ImportError:
            continue
        if getattr(module, "__all__", None) and module.__doc__:
            found.append(full)
    return found


def public(module: object) -> list[str]:
    """Names with a docstring of their own, in the order of `__all__`."""
    names = [name for name in module.__all__ if name != "T"]
    return [name for name in names if callable(getattr(module, name)) and inspect.getdoc(getattr(module, name))]

# SPDX-License-Identifier: MIT
"""Builds the documentation site: `python docs/site/build.py build/docs` writes `build/docs/html`.

pages    Markdown of the repository, laid out as it is there   repository_pages.py
         a page for each group of types                        catalogue.py, example.py
         C++ and Python reference                              reference.py
html     Sphinx with conf.py; a warning is an error, links to pages, headings and names are checked
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import catalogue
import reference
import repository_pages

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for pages and html")
    parser.add_argument("--jobs", default="auto", help="processes of Sphinx")
    options = parser.parse_args()
    out = options.out.resolve()
    source = out / "pages"
    shutil.rmtree(source, ignore_errors=True)
    write_sources(source, reference.doxygen(ROOT, out / "doxygen"))
    os.environ["NEML2_DOXYGEN"] = str(out / "doxygen" / "xml")
    for builder, folder in (("html", "html"), ("linkcheck", "links")):
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-j", options.jobs]
        command += ["-b", builder, "-c", str(HERE), "-d", str(out / "doctrees"), str(source), str(out / folder)]
        if failed := subprocess.run(command, check=False).returncode:
            return failed
    print(f"{out / 'html' / 'index.html'}")
    return 0


def write_sources(source: Path, headers: dict[str, dict[str, list[str]]]) -> None:
    """All pages, as Sphinx reads them."""
    found = repository_pages.repository(ROOT)
    found |= catalogue.pages()
    found |= reference.cpp_pages(headers) | reference.python_pages()
    found |= repository_pages.sections(found, HERE)
    for path, text in found.items():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for path in repository_pages.files_beside(ROOT, found):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""The documentation site: examples of its catalogue are input files; in a browser its search finds, its formulas show,
and no page is wider than a phone."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, executable
from neml2.cli import syntax
from neml2.hit import load_string

ROOT = Path(__file__).parents[3]
SITE = ROOT / "docs" / "site"
sys.path.insert(0, str(SITE))

import example  # noqa: E402
import repository_pages  # noqa: E402

MODELS = {entry["name"]: entry for entry in syntax.entries("Models")}
COMPANIONS = """
[Data]
  [crystal_geometry]
    type = CubicCrystal
    lattice_parameter = 1
    slip_directions = directions
    slip_planes = planes
  []
[]
[Tensors]
  [directions]
    type = Python
    expr = 'MillerIndex(torch.tensor([1, 1, 0]))'
  []
  [planes]
    type = Python
    expr = 'MillerIndex(torch.tensor([1, 1, 1]))'
  []
[]
"""
# What these examples name is another model, a system or a table, which the page does not show.
REFERRING = {name for name, entry in MODELS.items() if any(example.refers(row) for row in entry["options"])}


@pytest.mark.parametrize("name", sorted(MODELS.keys() - REFERRING - {"AOTIModel"}))
def test_the_example_of_a_model_is_an_input_file(name: str) -> None:
    model = load_string(example.example(MODELS[name]) + COMPANIONS).get_model(example.block_name(name))
    assert type(model).__name__ == name


def test_every_type_has_an_example_that_names_its_section() -> None:
    for section in syntax.SECTIONS:
        for entry in syntax.entries(section):
            text = example.example(entry)
            assert text.startswith(
                f"[{section}]\n  [{example.block_name(entry['name'])}]\n    type = {entry['name']}\n"
            )
            given = [row["name"] for row in entry["options"] if row["required"]]
            assert all(f"\n    {name} " in text for name in given), entry["name"]


def test_links_that_the_site_cannot_have_lose_all_but_their_words(tmp_path: Path) -> None:
    (tmp_path / "program.i").write_text("")
    known = {"docs/a.md", "examples/fe/README.md"}
    text = "[a](a.md#x) [docs/a.md](a.md) [fe](../examples/fe) [i](../program.i) [gone](b.md) [out](https://x.org)"
    expected = (
        "[a](a.md#x) [docs/a.md](a.md) [fe](../examples/fe/README.md) [i](../program.i) gone [out](https://x.org)"
    )
    assert repository_pages.linked(text, "docs/b.md", tmp_path, known) == expected
    assert repository_pages.linked("[docs/a.md](docs/a.md)", "README.md", tmp_path, known) == "[](docs/a.md)"
    fenced = "```\n[gone](b.md)\n```"
    assert repository_pages.linked(fenced, "docs/b.md", tmp_path, known) == fenced


def test_a_page_is_introduced_by_its_first_sentence() -> None:
    page = "# T\n\n## H\n\n```\ncode. More.\n```\n\nIt is\n[so](x.md). And so.\n"
    assert repository_pages.first_words(page) == "It is so."


# -- built, and in a browser -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lacking = [name for name in ("sphinx", "myst_parser", "breathe") if importlib.util.find_spec(name) is None]
    lacking += [] if shutil.which("doxygen") else ["doxygen"]
    if lacking:
        pytest.skip(f"NO SITE: {', '.join(lacking)} missing; `make docs` installs what it needs")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, SITE / "build.py", out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if executable() is None:
        pytest.skip("NO BROWSER: the documentation site is not checked; install chromium (make test does)")
    with Browser(tmp_path_factory.mktemp("profile"), timeout=300) as opened:
        yield opened


def html_pages(site: Path) -> list[str]:
    found = [path.relative_to(site).as_posix() for path in site.rglob("*.html")]
    return sorted(name for name in found if not name.startswith("_static"))


@pytest.mark.site
def test_no_page_is_wider_than_a_phone_and_pictures_load(browser: Browser, site: Path, address: str) -> None:
    browser.send("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=False)
    script = """[document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth,
      [...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)]"""
    checked = html_pages(site)
    assert len(checked) > 40
    for name in checked:
        browser.open(f"{address}/{name}")
        assert browser.run(script) == [0, []], name


@pytest.mark.site
@pytest.mark.parametrize("words, found", [("VoceIsotropic", "VoceIsotropicHardening"), ("revert", "History")])
def test_search_finds(browser: Browser, address: str, words: str, found: str) -> None:
    browser.open(f"{address}/search.html?q={words.replace(' ', '+')}")
    script = """new Promise((done, failed) => { const look = () => {
      const rows = [...document.querySelectorAll('#search-results li a')].map(row => row.textContent);
      const said = document.querySelector('#search-results p.search-summary')?.textContent || '';
      /^(Search finished|Found|Your search)/.test(said) ? done(rows) : setTimeout(look, 50); }; look() })"""
    assert any(found in row for row in browser.run(script))


@pytest.mark.site
def test_types_that_pages_name_lead_to_the_catalogue(browser: Browser, address: str) -> None:
    browser.open(f"{address}/docs/deviations.html")
    find = "[...document.querySelectorAll('a code')].find(row => row.textContent === 'HermiteSmoothStep')"
    browser.open(browser.run(f"{find}.closest('a').href"))
    assert browser.run("document.querySelector(':target h2').firstChild.textContent") == "HermiteSmoothStep"


@pytest.mark.site
def test_formulas_show_and_every_type_has_a_heading(browser: Browser, site: Path, address: str) -> None:
    headings, formulas = set(), 0
    for name in html_pages(site):
        if name.startswith("catalogue/"):
            browser.open(f"{address}/{name}")
            script = """[[...document.querySelectorAll('section > h2')].map(h => h.firstChild.textContent),
              [...document.querySelectorAll('math')].map(m => m.getBoundingClientRect()).map(b => [b.width, b.height])
            ]"""
            words, sizes = browser.run(script)
            headings |= set(words)
            formulas += len(sizes)
            assert all(width > 2 and height > 2 for width, height in sizes), name
    assert formulas > 200
    assert {entry["name"] for section in syntax.SECTIONS for entry in syntax.entries(section)} <= headings

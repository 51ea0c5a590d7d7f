# SPDX-License-Identifier: MIT
"""The page of neml2-syntax --html, as a browser shows it, and the equations on it."""

from __future__ import annotations

import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, executable

from neml2.cli import syntax
from neml2.cli._equations import equations, spans, typeset
from neml2.cli._mathml import NoFormula, mathml
from neml2.hit import REGISTRIES


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "syntax.html"
    assert syntax.main(["--html", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if executable() is None:
        reason = "NO BROWSER: the page of neml2-syntax --html is not checked; install chromium (make test does)"
        warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.open(page.as_uri())
        yield opened


SHOWN = "[...document.querySelectorAll('article:not([hidden])')].map(card => card.id)"


def clear(browser: Browser) -> None:
    browser.run("location.hash = ''; document.getElementById('search').value = ''; filter()")


# -- in a browser ------------------------------------------------------------------------------------------------


def test_every_type_has_a_card_and_every_model_a_visible_equation(browser: Browser) -> None:
    clear(browser)
    entries = [entry for section in syntax.SECTIONS for entry in syntax.entries(section)]
    assert sorted(browser.run(SHOWN)) == sorted(entry["name"] for entry in entries)
    script = """Object.fromEntries([...document.querySelectorAll('article')].map(card => [card.id,
      [...card.querySelectorAll('.equations > div')].map(row => row.getBoundingClientRect().height)]))"""
    heights = browser.run(script)
    for entry in entries:
        if entry["section"] == "Models":
            assert heights[entry["name"]], f"{entry['name']} shows no equation"
            assert min(heights[entry["name"]]) > 10, entry["name"]


def test_formulas_have_a_size(browser: Browser) -> None:
    clear(browser)
    boxes = browser.run(
        "[...document.querySelectorAll('math')].map(m => { const b = m.getBoundingClientRect(); "
        "return [b.width, b.height, m.textContent] })"
    )
    assert len(boxes) > 200
    for width, height, text in boxes:
        assert width > 2 and height > 2, text


def test_a_fraction_is_taller_than_a_line(browser: Browser) -> None:
    clear(browser)
    script = "document.querySelector('#{} .equations math').getBoundingClientRect().height"
    assert browser.run(script.format("ScalarVariableRate")) > 1.4 * browser.run(script.format("CopyScalar"))


def test_typing_filters_and_escape_restores(browser: Browser) -> None:
    clear(browser)
    everything = browser.run(SHOWN)
    browser.run("document.activeElement.blur()")
    browser.press("/", "/")
    assert browser.run("document.activeElement.id") == "search"
    assert browser.run("document.getElementById('search').value") == ""
    browser.type("saturation_rate")
    found = browser.run(SHOWN)
    assert "VoceIsotropicHardening" in found and len(found) < len(everything) / 4
    browser.type(" voce")
    assert "VoceIsotropicHardening" in browser.run(SHOWN)
    assert browser.run("document.getElementById('count').textContent").endswith(f"of {len(everything)}")
    sections = browser.run("[...document.querySelectorAll('section:not([hidden]) h2')].map(h => h.textContent)")
    assert len(sections) == 1 and "solid mechanics" in sections[0]
    browser.type(" nosuchthing")
    assert browser.run(SHOWN) == []
    assert browser.run("document.getElementById('nothing').checkVisibility()")
    browser.press("Escape")
    assert browser.run(SHOWN) == everything


@pytest.mark.parametrize(
    ("text", "name"),
    [("Fischer", "FBComplementarity"), ("abs_tol", "Newton"), ("prescribed_time", "TransientDriver")],
)
def test_search_looks_into_text_and_options(browser: Browser, text: str, name: str) -> None:
    clear(browser)
    browser.run("document.getElementById('search').focus()")
    browser.type(text)
    assert name in browser.run(SHOWN)
    clear(browser)


def test_a_link_leads_to_its_type_even_when_filtered_out(browser: Browser) -> None:
    clear(browser)
    browser.run("document.getElementById('search').focus()")
    browser.type("Newton")
    moved = "new Promise(done => { addEventListener('hashchange', () => setTimeout(done, 50), {once: true}); "
    browser.run(moved + "location.hash = '#YieldFunction' })")
    top = browser.run("document.getElementById('YieldFunction').getBoundingClientRect().top")
    assert 0 <= top < 200
    clear(browser)


def test_readable_in_light_and_dark(browser: Browser) -> None:
    clear(browser)
    script = """(() => { const card = getComputedStyle(document.querySelector('article'));
      const light = c => { const v = c.match(/[0-9.]+/g).slice(0, 3).map(x => x / 255)
        .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2] };
      return [light(card.color), light(card.backgroundColor)] })()"""
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        ink, paper = browser.run(script)
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 7, scheme
        assert (paper > ink) == (scheme == "light")
    browser.prefer("light")


# -- without one -------------------------------------------------------------------------------------------------


def test_page_needs_nothing_but_itself(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"(?:src|href)=\"(?!#)|@import|url\(|fetch\(", text)
    assert len(re.findall(r"<article ", text)) == len(set(re.findall(r"<article id=\"(\w+)\"", text)))


def test_missing_folder_is_reported(capsys: pytest.CaptureFixture) -> None:
    assert syntax.main(["--html", "/nowhere/at/all.html"]) == 2
    assert "no folder /nowhere/at" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in REGISTRIES["Models"].names() if name != "AOTIModel"])
def test_every_model_has_an_equation(name: str) -> None:
    found = equations(REGISTRIES["Models"].lookup(name))
    assert found
    assert all("=" in equation.formula for equation in found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("VoceIsotropicHardening", ["h = R (1 - exp(-d ep))"]),
        ("KocksMeckingIntercept", ["intercept = (C - B)/A"]),
        ("IsotropicMandelStress", ["mandel_stress = stress"]),
        ("PerzynaPlasticFlowRate", ["gamma_rate = (f / eta)^n for f > 0, else 0"]),
        (
            "ChabochePlasticHardening",
            ["X_rate = (2/3 C N - g X) gamma_rate - A s^(a-1) X", "s = sqrt(X:X + eps)"],
        ),
    ],
)
def test_equations_of_some_models(name: str, expected: list[str]) -> None:
    assert [str(equation) for equation in equations(REGISTRIES["Models"].lookup(name))] == expected


def test_listing_shows_the_equation(capsys: pytest.CaptureFixture) -> None:
    assert syntax.main(["VoceIsotropicHardening"]) == 0
    assert "equations:\n    h = R (1 - exp(-d ep))\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("formula", "plain"),
    [
        ("a/b c", "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"),
        ("x^(n-1)", "<msup><mrow><mi>x</mi></mrow><mrow><mi>n</mi><mo>−</mo><mn>1</mn></mrow></msup>"),
        ("eps0", "<msub><mi>ε</mi><mrow><mi>0</mi></mrow></msub>"),
        ("gamma_rate", '<mover accent="true"><mi>γ</mi><mo>˙</mo></mover>'),
        ("df/dM", "<mfrac><mrow><mo>∂</mo><mi>f</mi></mrow><mrow><mo>∂</mo><mi>M</mi></mrow></mfrac>"),
        ("sqrt(x)", "<msqrt><mi>x</mi></msqrt>"),
    ],
)
def test_notation(formula: str, plain: str) -> None:
    assert plain in mathml(formula)
    ElementTree.fromstring(mathml(formula))


@pytest.mark.parametrize("text", ["(a", "a +", "|a", "= =", "a @ b", ""])
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(NoFormula):
        mathml(text)


def test_prose_stays_prose() -> None:
    text = "A well-known, rate-independent law (see the paper) with a state-of-the-art flow rule: it is `x = y`."
    assert list(spans(text)) == []
    assert "<math" not in typeset(text) and "<code>x = y</code>" in typeset(text)
    assert typeset("1 < 2 & so on").count("<math") == 0 and "&amp;" in typeset("1 < 2 & so on")

"""Decks from a disk, with the network off: every slide fits, nothing is asked for, notes speak."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.check_decks import Watch, check_deck, count_deck
from tools.chromium import open_deck

ROOT = Path(__file__).resolve().parents[2]
LEAST, MOST = 25, 35  # slides of a lecture of 45 minutes
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_slide_fits_and_nothing_leaves(running, decks, name):
    deck = ROOT / "build/slides" / f"{name}.html"
    assert deck in decks, f"{name} has no deck: make slides"
    faults, remarks = check_deck(running, deck)
    print(*remarks, sep="\n")
    assert faults == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_slides_begin_with_something_figures_have_words_and_each_has_its_page(running, decks, name):
    watch = Watch(running)
    open_deck(watch.page, ROOT / "build/slides" / f"{name}.html")
    empty = watch.page.evaluate(
        "Reveal.getSlides().filter((slide) => slide.querySelector('.block')"
        " && !slide.querySelector('.block:not(.fragment)')).map((slide) => slide.id)"
    )
    silent = watch.page.evaluate("[...document.images].filter((i) => i.alt.length < 10).length")
    slides = watch.page.evaluate("Reveal.getTotalSlides()")
    watch.close()
    assert empty == []
    assert silent == 0
    pdf = (ROOT / "build/slides" / f"{name}.pdf").read_bytes()
    assert len(pdf) < 5_000_000
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == slides


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_stumble_over(running, decks, name):
    """No output alone, no wall of code, no broken word, no figure with type that nobody reads."""
    count = count_deck(running, ROOT / "build/slides" / f"{name}.html")
    print(count)
    assert count.faults == []
    assert LEAST <= count.slides <= MOST
    assert count.pictures >= count.slides / 2
    assert 43 <= count.minutes <= 47


SHOWN = "Reveal.getCurrentSlide().id"
TO_EXPLORER = """() => {
  const at = Reveal.getIndices(document.querySelector('iframe').closest('section'));
  Reveal.slide(at.h, at.v);
}"""


@pytest.fixture
def inside(running, decks):
    """A deck at its explorer, with the last click inside it, and the names around its slide."""
    watch = Watch(running)
    page = watch.page
    open_deck(page, ROOT / "build/slides/02_prior_box.html")
    page.evaluate(TO_EXPLORER)
    page.frames[1].wait_for_selector("#facts")
    names = page.evaluate("Reveal.getSlides().map((slide) => slide.id)")
    at = names.index(page.evaluate(SHOWN))
    page.wait_for_timeout(300)
    page.locator("section.present iframe").click(position={"x": 300, "y": 200})
    assert page.evaluate("document.activeElement.tagName") == "IFRAME"
    yield page, names[at - 1 : at + 2]
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "leads"),
    [("PageDown", 1), ("PageUp", -1), ("n", 1), ("p", -1), ("N", 1)],
)
def test_keys_turn_the_page_after_a_click_into_an_explorer(inside, key, leads):
    page, names = inside
    page.keyboard.press(key)
    page.wait_for_function(f"{SHOWN} === '{names[1 + leads]}'", timeout=5_000)


@pytest.mark.slow
@pytest.mark.parametrize("keys", [["Control+ArrowRight"], ["Escape", "n"], ["Escape", "PageDown"]])
def test_arrows_with_control_and_escape_leave_an_explorer(inside, keys):
    page, names = inside
    before = page.evaluate("JSON.stringify(Reveal.getIndices())")
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    assert page.evaluate("document.activeElement.tagName") != "IFRAME"
    assert page.evaluate("JSON.stringify(Reveal.getIndices())") != before


@pytest.mark.slow
def test_arrows_still_move_what_has_the_focus_in_an_explorer(inside):
    page, names = inside
    frame = page.frames[1]
    before = frame.inner_text("#facts")
    frame.focus("#level")
    page.keyboard.press("ArrowRight")
    frame.wait_for_function(
        "(text) => document.querySelector('#facts').innerText !== text", arg=before
    )
    assert page.evaluate(SHOWN) == names[1]


@pytest.mark.slow
def test_steps_light_their_lines_one_after_another(running, decks):
    watch = Watch(running)
    page = watch.page
    open_deck(page, ROOT / "build/slides/02_prior_box.html")
    page.evaluate(
        "() => { const at = Reveal.getIndices(document.querySelector('.step').closest('section'));"
        " Reveal.slide(at.h, at.v, -1); }"
    )
    lit = "[...Reveal.getCurrentSlide().querySelectorAll('.of.lit')].map((l) => l.dataset.step)"
    steps = page.evaluate("Reveal.getCurrentSlide().querySelectorAll('.step').length")
    assert steps > 1
    shown = page.evaluate(SHOWN)
    seen = [page.evaluate(lit)]
    for _ in range(steps):
        page.keyboard.press("n")
        seen.append(page.evaluate(lit))
    assert page.evaluate(SHOWN) == shown
    assert [sorted(set(one)) for one in seen] == [[], *([str(k)] for k in range(1, steps + 1))]
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
def test_a_deck_is_turned_by_keys_and_its_explorer_answers(running, decks):
    watch = Watch(running)
    page = watch.page
    open_deck(page, ROOT / "build/slides/02_prior_box.html")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getState().indexh") == 1
    # every cell of notes in the source belongs to a slide
    source = (ROOT / "notebooks/src/02_prior_box.py").read_text(encoding="utf-8")
    spoken = "new Set(Reveal.getSlides().flatMap((slide) => [...slide.querySelectorAll("
    spoken += "'aside.notes > :not(.time)')].map((said) => said.textContent))).size"
    assert page.evaluate(spoken) >= source.count('slide="notes"') >= 1
    page.evaluate(
        "() => { const at = Reveal.getIndices(document.querySelector('iframe').closest('section'));"
        " Reveal.slide(at.h, at.v); }"
    )
    frame = page.frames[1]
    frame.wait_for_selector("#facts")
    before = frame.inner_text("#facts")
    frame.focus("#level")
    page.keyboard.press("ArrowRight")
    frame.wait_for_function(
        "(text) => document.querySelector('#facts').innerText !== text", arg=before
    )
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
def test_an_explorer_is_as_light_as_its_slide_on_a_dark_system(running, decks):
    watch = Watch(running, 1280, 720, "dark")
    page = watch.page
    open_deck(page, ROOT / "build/slides/02_prior_box.html")
    page.evaluate(TO_EXPLORER)
    frame = page.frames[1]
    frame.wait_for_selector("#facts")
    paper = frame.evaluate("getComputedStyle(document.body).backgroundColor")
    watch.close()
    assert paper == "rgb(255, 255, 255)"
    assert watch.faults == []

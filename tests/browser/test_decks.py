"""Decks from a disk, with the network off: every slide fits, nothing is asked for, notes speak."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.check_decks import Watch, check_deck
from tools.chromium import open_deck

ROOT = Path(__file__).resolve().parents[2]
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
def test_a_deck_is_turned_by_keys_and_its_explorer_answers(running, decks):
    watch = Watch(running)
    page = watch.page
    open_deck(page, ROOT / "build/slides/02_prior_box.html")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getState().indexh") == 1
    # every cell of notes in the source belongs to a slide, and to the one that it goes on on
    source = (ROOT / "notebooks/src/02_prior_box.py").read_text(encoding="utf-8")
    spoken = "new Set(Reveal.getSlides().map(Reveal.getSlideNotes).filter((said) => said)).size"
    assert page.evaluate(spoken) == source.count('slide="notes"') >= 1
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

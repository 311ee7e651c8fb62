"""The site from a disk, with the network off: pages, explorers, search, light, dark, narrow."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools.check_decks import Watch, broken_links, check_page
from tools.site import ROOMS
from tools.vendor import file_of

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PAGES = ["index", "search", "api/index", *(f"api/{room}" for room in ROOMS)]
PAGES += [f"notebooks/{name}" for name in NAMES]
GRAVE = ("serious", "critical")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_pages_open_from_a_disk(running, site, name, width, scheme):
    assert check_page(running, site / f"{name}.html", width, scheme) == []


def test_every_link_leads_somewhere(site):
    assert broken_links(site) == []


@pytest.mark.slow
def test_under_another_address(running, site, tmp_path):
    """Nothing depends on where the site lies."""
    moved = tmp_path / "courses" / "vision 2"
    shutil.copytree(site, moved, ignore=shutil.ignore_patterns("*.pdf"))
    assert check_page(running, moved / "notebooks/02_prior_box.html") == []


@pytest.mark.slow
def test_search_finds(running, site):
    watch = Watch(running)
    watch.page.goto((site / "search.html").resolve().as_uri() + "?q=soft_nms")
    watch.page.wait_for_selector("ul.search li a")
    assert "detlearn.boxes" in watch.page.inner_text("ul.search")
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "marked"), [("soft_nms", "soft_nms"), ("contested prior", "contested"), ("zebra", "")]
)
def test_search_results_have_excerpts(running, site, words, marked):
    """Also from a disk; what nobody wrote is not found."""
    watch = Watch(running)
    watch.page.goto((site / "search.html").resolve().as_uri() + f"?q={words}")
    if marked:
        watch.page.wait_for_selector("ul.search li p.context mark")
        lines = watch.page.locator("ul.search li p.context").all_inner_texts()
        assert any(marked in line.lower() and 40 < len(line) < 400 for line in lines)
        entries = watch.page.locator("ul.search > li")
        assert entries.count() > 0 and len(lines) >= 0.8 * entries.count()
    else:
        watch.page.wait_for_function("document.querySelector('.search-summary')?.textContent")
        assert watch.page.locator("ul.search li").count() == 0
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_a_quiz_is_clicked_through(running, site, width):
    watch = Watch(running, width, 900)
    page = watch.page
    page.goto((site / "notebooks/03_matching_multibox_loss.html").resolve().as_uri())
    quiz = page.locator("ol.quiz").first
    groups = quiz.get_by_role("group")
    truths = [
        text.strip().startswith("True")
        for text in page.locator("ol.quiz ~ details > ol > li").all_text_contents()
    ]
    assert groups.count() == len(truths) >= 5
    for place, truth in enumerate(truths):
        group = groups.nth(place)
        wrong = place == 0  # one mistake, mended by a second click
        group.get_by_role("button", name=str(truth != wrong), exact=True).click()
        assert group.get_by_role("status").inner_text().startswith("✗ No." if wrong else "✓ Right.")
        if wrong:
            group.get_by_role("button", name=str(truth), exact=True).click()
            assert group.get_by_role("status").inner_text().startswith("✓ Right.")
    told = page.locator(".quiz-result").first.inner_text()
    assert told == f"{len(truths) - 1} of {len(truths)} right at the first click."
    watch.close()
    assert watch.faults == []


def test_every_quiz_can_be_clicked(site):
    """A fold of answers follows its list directly, and each answer begins with its word."""
    for name in NAMES:
        html = (site / f"notebooks/{name}.html").read_text(encoding="utf-8")
        folds = re.findall(r"</ol>\s*<details><summary>Answers</summary>\s*<ol", html)
        assert folds or "true or false" not in html.lower(), name


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 900, 1400])
def test_the_menu_opens_and_closes_by_clicks(running, site, width):
    """Wide, it hides the side bar and shows it again; narrow, it opens a menu that leads on."""
    watch = Watch(running, width, 900)
    page = watch.page
    page.goto((site / "notebooks/02_prior_box.html").resolve().as_uri())
    button = page.locator(".primary-toggle:visible").first
    entry = page.locator("nav.bd-links a", has_text="03 · Matching")
    wide = width >= 1200
    assert entry.is_visible() == wide
    button.click()
    entry.wait_for(state="hidden" if wide else "visible")
    if wide:
        button.click()
        entry.wait_for(state="visible")
    entry.click()
    page.wait_for_function("location.pathname.endsWith('/03_matching_multibox_loss.html')")
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 900])
def test_the_contents_of_a_page_open_by_a_click_and_lead_to_their_section(running, site, width):
    watch = Watch(running, width, 900)
    page = watch.page
    page.goto((site / "notebooks/02_prior_box.html").resolve().as_uri())
    page.locator(".secondary-toggle:visible").first.click()
    entry = page.locator("#pst-secondary-sidebar-modal a:visible").nth(1)
    entry.wait_for(state="visible")
    target = entry.get_attribute("href")
    entry.click()
    page.wait_for_function("(to) => location.hash === to", arg=target)
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_chapter_opens_in_colab(running, site, name):
    text = (site / f"notebooks/{name}.html").read_text(encoding="utf-8")
    colab = "https://colab.research.google.com/github/"
    assert text.count(f"{colab}") >= 2  # the theme's button, and the door below the title
    assert f"/blob/main/notebooks/{name}.ipynb" in text
    assert "colab-badge.svg" not in text


@pytest.mark.slow
def test_an_explorer_answers_and_follows_the_page_into_the_dark(running, site):
    watch = Watch(running, 1280, 900)
    page = watch.page
    page.goto((site / "notebooks/02_prior_box.html").resolve().as_uri())
    frame = page.frames[1]
    frame.wait_for_selector("#facts")
    before = frame.inner_text("#facts")
    frame.focus("#level")
    page.keyboard.press("ArrowRight")
    frame.wait_for_function(
        "(text) => document.querySelector('#facts').innerText !== text", arg=before
    )
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    frame.wait_for_function("document.documentElement.classList.contains('dark')")
    watch.close()
    assert watch.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["00_start_here", "06_refinedet_blocks", "10_hrnet_blocks"])
def test_a_phone_shows_figures_as_large_as_they_are(running, site, name):
    """Shrunk to 390 px, their type would have 5; they scroll, and the page beside them does not."""
    watch = Watch(running, 390, 844)
    watch.page.goto((site / f"notebooks/{name}.html").resolve().as_uri())
    shares = watch.page.evaluate(
        "[...document.querySelectorAll('.cell_output img')].map((img) =>"
        " img.clientWidth / (parseFloat(img.style.width) || img.width || img.naturalWidth))"
    )
    wide = watch.page.evaluate("document.documentElement.scrollWidth")
    scrolls = watch.page.evaluate(
        "[...document.querySelectorAll('.cell_output:has(img)')]"
        ".filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    watch.close()
    assert len(shares) >= 5 and min(shares) > 0.99
    assert scrolls >= 3
    assert wide <= 390
    assert watch.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    ["index", "notebooks/00_start_here", "notebooks/02_prior_box", "notebooks/12_face_off",
     "api/boxes"],
)  # fmt: skip
def test_no_serious_barrier(running, site, name, scheme):
    watch = Watch(running, 1280, 900, scheme)
    watch.page.goto((site / f"{name}.html").resolve().as_uri())
    watch.page.wait_for_timeout(500)
    watch.page.evaluate(file_of("axe-core", "axe.min.js").read_text(encoding="utf-8"))
    found = watch.page.evaluate("axe.run(document, { iframes: true })")["violations"]
    watch.close()
    grave = [
        f"{one['id']}: {one['help']} {[node['html'][:90] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in GRAVE
    ]
    assert grave == []

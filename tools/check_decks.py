"""What a reader would notice of decks and pages, found by a headless Chromium without a network.

    python -m tools.check_decks                 build/slides and build/site
    python -m tools.check_decks FILE.html ...   these
    python -m tools.check_decks --report [FILE.html ...]   count what decks are made of

Says, for each file: what it asked of a network, what its console complained of, which slide
overflows 1280 x 720 and by how much, and, as a remark, which slide had to be set small.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.chromium import browser, open_deck
from tools.course.clone import ROOT

WIDTH, HEIGHT = 1280, 720
SMALL = 0.7
LOCAL = ("file:", "data:", "blob:", "about:")

# Of the slide that is shown: what sticks out of 1280 x 720, in px of the slide.
_STICKS_OUT = """() => {
  const slide = Reveal.getCurrentSlide(), page = slide.querySelector('.page');
  const box = page.getBoundingClientRect(), scale = box.width / 1280, found = [];
  for (const one of page.querySelectorAll('*')) {
    if (one.closest('mjx-assistive-mml, .foot, svg, iframe') && one.tagName !== 'IFRAME') continue;
    if (!one.checkVisibility()) continue; // closed details, notes
    const r = one.getBoundingClientRect();
    if (!r.width || !r.height) continue;
    const over = Math.max(box.left - r.left, r.right - box.right, box.top - r.top,
                          r.bottom - box.bottom) / scale;
    const inner = ['PRE', 'DIV'].includes(one.tagName) && !one.matches('.frame')
      ? one.scrollWidth - one.clientWidth : 0;
    const most = Math.max(over, inner);
    if (most > 1.5) found.push([one.tagName.toLowerCase() + '.' + one.className, Math.round(most)]);
  }
  return found.slice(0, 3);
}"""


# Of the slide that is shown: what it holds, and what an audience would stumble over.
_HOLDS = """() => {
  const slide = Reveal.getCurrentSlide(), page = slide.querySelector('.page');
  const has = (what) => page.querySelector(what) !== null;
  const scale = page.getBoundingClientRect().width / 1280;
  const output = has('.block.text, .block.table, .block.figure, .block.error');
  const faults = [];
  if (output && !has('.block.code, .block.prose')) faults.push('an output alone');
  for (const code of page.querySelectorAll('.block.code pre')) {
    const size = parseFloat(getComputedStyle(code).fontSize);
    const lines = code.textContent.split('\\n').filter((line) => line.trim()).length;
    if (lines > 12 && !code.querySelector('.step')) faults.push(`${lines} lines without a step`);
    if (size < 12) faults.push(`code of ${size.toFixed(1)} px`);
  }
  const body = parseFloat(getComputedStyle(page).fontSize);
  for (const image of page.querySelectorAll('.figure img')) {
    const own = Number(image.dataset.width) || image.naturalWidth;
    const type = 12 * image.getBoundingClientRect().width / scale / own;
    if (type < body / 2 - 0.2) faults.push(`type of ${type.toFixed(1)} px in a figure`);
  }
  const texts = document.createTreeWalker(page.querySelector('.body'), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (text.parentElement.closest('pre, mjx-container')) continue;
    for (const word of text.data.matchAll(/[\\p{L}\\d]{2,}/gu)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1) {
        faults.push(`the word ${word[0]} is broken`);
      }
    }
  }
  return { seen: has('.figure img, .key img, iframe'), faults };
}"""


@dataclass
class Count:
    """What a deck is made of.

    Attributes:
        slides: how many.
        pictures: how many of them show a figure or an explorer.
        minutes: that one speaks about them.
        noted: how many have words of the speaker beside the minutes.
        faults: what an audience would stumble over, one sentence each.
    """

    slides: int
    pictures: int = 0
    minutes: float = 0.0
    noted: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        share = self.pictures / max(1, self.slides)
        return (
            f"{self.slides} slides, {share:.0%} with a picture, {self.noted} with notes, "
            f"{self.minutes:.0f} minutes, {len(self.faults)} to stumble over"
        )


def count_deck(running: Any, deck: Path) -> Count:
    """Turn to every slide of a deck and count."""
    watch = Watch(running)
    open_deck(watch.page, deck)
    names = watch.page.evaluate("Reveal.getSlides().map((slide) => slide.id)")
    count = Count(len(names))
    for name in names:
        _turn_to(watch.page, name)
        holds = watch.page.evaluate(_HOLDS)
        count.pictures += holds["seen"]
        count.faults += [f"slide {name!r}: {fault}" for fault in holds["faults"]]
    count.minutes = watch.page.evaluate(
        "Reveal.getSlides().reduce((sum, one) => sum + Number(one.dataset.timing), 0) / 60"
    )
    count.noted = watch.page.evaluate(
        "Reveal.getSlides().filter((one) => one.querySelector('aside.notes > :not(.time)')).length"
    )
    watch.close()
    return count


def _turn_to(page: Any, name: str) -> None:
    page.evaluate(
        "(id) => { const at = Reveal.getIndices(document.getElementById(id));"
        " Reveal.slide(at.h, at.v, 99); }",
        name,
    )


class Watch:
    """A page of a browser that writes down its faults.

    Args:
        running: Playwright's browser.
        width: of the window, px.
        height: of the window, px.
        scheme: "light" or "dark".
    """

    def __init__(
        self, running: Any, width: int = WIDTH, height: int = HEIGHT, scheme: str = "light"
    ) -> None:
        self.faults: list[str] = []
        self.context = running.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda r: self._say(f"could not load {r.url[:120]}"))
        self.page.on("pageerror", lambda error: self._say(f"script error: {error}"))
        self.page.on("console", self._console)

    def _say(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(LOCAL):
            self._say(f"asked a network for {request.url[:120]}")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self._say(f"console: {message.text[:200]}")

    def close(self) -> None:
        """Close the window."""
        self.context.close()


def check_deck(running: Any, deck: Path) -> tuple[list[str], list[str]]:
    """Open a deck and turn to every slide.

    Returns:
        Faults, and remarks (slides that are set small); one sentence each.
    """
    watch = Watch(running)
    page = watch.page
    try:
        open_deck(page, deck)
    except RuntimeError as error:
        watch.close()
        return [str(error), *watch.faults], []
    remarks = []
    names = page.evaluate("Reveal.getSlides().map((slide) => slide.id)")
    for name in names:
        _turn_to(page, name)
        size = float(
            page.evaluate("Reveal.getCurrentSlide().querySelector('.page').dataset.size || 1")
        )
        if size < SMALL:
            remarks.append(f"slide {name!r} is set at {size:.0%}: it says too much for one slide")
        if page.evaluate("!!Reveal.getCurrentSlide().querySelector('iframe')"):
            page.wait_for_timeout(300)  # the explorer measures itself
        for what, by in page.evaluate(_STICKS_OUT):
            watch.faults.append(f"slide {name!r}: {what} sticks out by {by} px")
    if not names:
        watch.faults.append("no slides")
    faults = list(watch.faults)
    watch.close()
    return faults, remarks


def check_page(running: Any, path: Path, width: int = 1280, scheme: str = "light") -> list[str]:
    """Open a page of the site.

    Args:
        running: Playwright's browser.
        path: the file.
        width: of the window, px.
        scheme: what the system prefers, light or dark.

    Returns:
        Faults, one sentence each.
    """
    watch = Watch(running, width, 900, scheme)
    watch.page.goto(path.resolve().as_uri())
    watch.page.wait_for_load_state("load")
    watch.page.wait_for_timeout(200)
    wide = watch.page.evaluate("document.documentElement.scrollWidth")
    if wide > width + 1:
        watch.faults.append(f"at {width} px the page is {wide} px wide")
    shown = watch.page.evaluate("document.documentElement.dataset.theme")
    if shown != scheme:
        watch.faults.append(f"the system prefers {scheme}, the page is {shown}")
    faults = list(watch.faults)
    watch.close()
    return faults


def broken_links(site: Path) -> list[str]:
    """Links of a site that lead to no file of it."""
    found = []
    for path in sorted(site.rglob("*.html")):
        if {"slides", "_static"} & set(path.relative_to(site).parts):
            continue
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"srcdoc=(['\"]).*?\1", "", text, flags=re.DOTALL)
        for target in re.findall(r'<(?:a|link|script|img)\b[^>]*?(?:href|src)="([^"]*)"', text):
            place = target.partition("#")[0].partition("?")[0]
            if place.startswith("/"):
                found.append(f"{path.relative_to(site)}: {target} works at one address only")
            elif place and not re.match(r"[a-z]+:|//", place):
                if not (path.parent / place).exists():
                    found.append(f"{path.relative_to(site)}: {target}")
    return found


def main(arguments: Sequence[str]) -> int:
    """The command line; 1 after a fault."""
    if arguments[:1] == ["--report"]:
        decks = [Path(name) for name in arguments[1:]]
        decks = decks or sorted((ROOT / "build/slides").glob("[0-9][0-9]_*.html"))
        with browser() as running:
            for deck in decks:
                count = count_deck(running, deck)
                print(f"{deck.stem}: {count}", *count.faults, sep="\n  ", flush=True)
        return 0
    files = [Path(name) for name in arguments] or [
        *sorted((ROOT / "build/slides").glob("[0-9][0-9]_*.html")),
        *sorted((ROOT / "build/site").glob("*.html")),
        *sorted((ROOT / "build/site/notebooks").glob("*.html")),
        *sorted((ROOT / "build/site/api").glob("*.html")),
    ]
    bad = 0
    with browser() as running:
        for file in files:
            is_deck = '<div class="reveal">' in file.read_text(encoding="utf-8")
            faults, remarks = (
                check_deck(running, file) if is_deck else (check_page(running, file), [])
            )
            print(f"{file.name}: {'ok' if not faults else 'FAULTS'}", flush=True)
            for line in [*faults, *remarks]:
                print(f"  {line}")
            bad += bool(faults)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a reader would notice of decks and pages, found by a headless Chromium without a network.

    python -m tools.check_decks                 build/slides and build/site
    python -m tools.check_decks FILE.html ...   these

Says, for each file: what it asked of a network, what its console complained of, which slide
overflows 1200 x 750 and by how much, and, as a remark, which slide had to be set small.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.chromium import browser, open_deck
from tools.course.clone import ROOT

WIDTH, HEIGHT = 1200, 750
SMALL = 0.7
LOCAL = ("file:", "data:", "blob:", "about:")

# Of the slide that is shown: what sticks out of 1200 x 750, in px of the slide.
_STICKS_OUT = """() => {
  const slide = Reveal.getCurrentSlide(), page = slide.querySelector('.page');
  const box = page.getBoundingClientRect(), scale = box.width / 1200, found = [];
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
        page.evaluate(
            "(id) => { const at = Reveal.getIndices(document.getElementById(id));"
            " Reveal.slide(at.h, at.v, 99); }",
            name,
        )
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

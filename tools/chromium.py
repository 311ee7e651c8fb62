"""A Chromium for decks and pages: find one, say what to do if there is none, print PDFs.

DETLEARN_CHROMIUM=/path/to/chromium names one; otherwise the one of Debian, Chrome or Edge on the
PATH is taken, otherwise Playwright's own.

    python -m tools.chromium          say which it is
    python -m tools.chromium --install   if there is none, install Debian's, else Playwright's
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ADVICE = (
    "no Chromium was found. Install one (Debian, Ubuntu: sudo apt install chromium; anywhere: "
    "python -m playwright install chromium), or name yours: DETLEARN_CHROMIUM=/path/to/chrome"
)


def on_path(environment: Mapping[str, str] = os.environ) -> str | None:
    """The Chromium that the system has, or None.

    Args:
        environment: variables; DETLEARN_CHROMIUM and PATH are read.

    Raises:
        ValueError: DETLEARN_CHROMIUM names a file that is none.
    """
    named = environment.get("DETLEARN_CHROMIUM", "")
    if named:
        if not Path(named).is_file():
            raise ValueError(f"DETLEARN_CHROMIUM: expected the path of a browser, got {named!r}")
        return named
    places = environment.get("PATH", "")
    return next((path for name in NAMES if (path := shutil.which(name, path=places))), None)


@contextmanager
def browser(**options: Any) -> Iterator[Any]:
    """A running headless Chromium, Playwright's object.

    Raises:
        RuntimeError: Playwright or Chromium is missing; the message says what to install.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise RuntimeError(
            "Playwright is missing: python -m pip install -r requirements-docs.txt"
        ) from None
    with sync_playwright() as play:
        path = on_path() or play.chromium.executable_path
        if not Path(path).is_file():
            raise RuntimeError(ADVICE)
        running = play.chromium.launch(executable_path=path, args=ARGUMENTS, **options)
        try:
            yield running
        finally:
            running.close()


def open_deck(page: Any, deck: Path, query: str = "") -> None:
    """Open a deck and wait until it is laid out.

    Raises:
        RuntimeError: its script failed.
    """
    page.goto(deck.resolve().as_uri() + query, timeout=120_000)
    state = "document.documentElement.dataset.deck"
    page.wait_for_function(f"['ready', 'failed'].includes({state})", timeout=120_000)
    if page.evaluate(state) != "ready":
        raise RuntimeError(f"{deck.name}: its script failed; see the console of a browser")


def print_pdfs(decks: Sequence[Path]) -> list[Path]:
    """Write deck.pdf beside each deck.html: a page a slide, tagged, with an outline."""
    written = []
    with browser() as running:
        for deck in decks:
            page = running.new_page(viewport={"width": 1280, "height": 720})
            page.set_default_timeout(120_000)
            open_deck(page, deck, "?print-pdf")
            page.wait_for_selector(".pdf-page")
            page.wait_for_timeout(300)  # explorers draw in the next frames
            path = deck.with_suffix(".pdf")
            page.pdf(
                path=path,
                width="1280px",
                height="720px",
                print_background=True,
                tagged=True,
                outline=True,
            )
            page.close()
            written.append(path)
    return written


def ways_to_install() -> list[list[list[str]]]:
    """Commands that bring a browser, the best way first; each way is a few commands."""
    ways = []
    rights: list[str] | None = []
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        rights = ["sudo", "-n"] if shutil.which("sudo") else None
    if shutil.which("apt-get") and rights is not None:
        apt = [*rights, "apt-get", "-q", "-y"]
        ways.append([[*apt, "update"], [*apt, "install", "--no-install-recommends", "chromium"]])
    ways.append([[sys.executable, "-m", "playwright", "install", "chromium"]])
    return ways


def install() -> None:
    """Install a browser if there is none.

    Raises:
        RuntimeError: no way of installing one led to one; the message says what to do.
    """
    if on_path() is not None:
        return
    for way in ways_to_install():
        if all(subprocess.run(one, check=False).returncode == 0 for one in way):
            return
    raise RuntimeError(ADVICE)


def main(arguments: list[str]) -> int:
    """The command line; 1 if there is no browser."""
    try:
        if arguments == ["--install"]:
            install()
            return 0
        with browser() as running:
            print(f"Chromium {running.version}: {on_path() or 'of Playwright'}")
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

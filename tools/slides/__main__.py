"""`python -m tools.slides`: write decks, PDFs and the page that lists them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.course.clone import ROOT, built_notebooks, chapters
from tools.slides.page import index, page

OUT = ROOT / "build" / "slides"
MAX_BYTES = 5_000_000


def write_deck(path: Path, out: Path) -> Path:
    """Write the deck of one notebook.

    Raises:
        ValueError: it is larger than a file may be.
    """
    import nbformat

    text = page(nbformat.read(path, as_version=4), path.stem, path.parent).encode()
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path.stem}.html: expected at most 5 MB, got {len(text) / 1e6:.1f}")
    deck = out / f"{path.stem}.html"
    deck.write_bytes(text)
    return deck


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 after a problem."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.slides", description="Decks of the notebooks."
    )
    parser.add_argument("numbers", nargs="*", help="chapters, 02 or 2; none means all")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument("--no-pdf", action="store_true", help="write no PDF")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        chosen = built_notebooks(options.numbers)
        options.out.mkdir(parents=True, exist_ok=True)
        decks = [write_deck(path, options.out) for path in chosen]
        if not options.no_pdf:
            from tools.chromium import print_pdfs

            print_pdfs(decks)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"slides: {error}", file=sys.stderr)
        return 1
    titles = {row["number"]: row["title"] for row in chapters()}
    rows = []
    for deck in sorted(options.out.glob("[0-9][0-9]_*.html")):
        number = deck.name[:2]
        rows.append((deck.stem, f"{number} · {titles[number]}", deck.with_suffix(".pdf").exists()))
    (options.out / "index.html").write_text(index(rows), encoding="utf-8")
    for deck in decks:
        pdf = deck.with_suffix(".pdf")
        sizes = f"{deck.stat().st_size / 1e6:.1f} MB"
        sizes += f", PDF {pdf.stat().st_size / 1e6:.1f} MB" if pdf.exists() else ""
        print(f"{deck.name}: {sizes}")
    print(f"{options.out / 'index.html'}: {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

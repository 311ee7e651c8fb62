"""`python -m tools.slides`: write decks, PDFs and the page that lists them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
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


def write_chapter(path: Path, out: Path, pdf: bool) -> Path:
    """Write the deck of one notebook, and its PDF if asked to."""
    deck = write_deck(path, out)
    if pdf:
        from tools.chromium import print_pdfs

        print_pdfs([deck])
    return deck


def write_chapters(paths: Sequence[Path], out: Path, pdf: bool, jobs: int) -> list[Path]:
    """Write the decks of notebooks, `jobs` at a time.

    Returns:
        The decks, in the order of `paths`.

    Raises:
        ValueError, OSError, RuntimeError: what stopped the first of them that failed.
    """
    write = partial(write_chapter, out=out, pdf=pdf)
    if min(jobs, len(paths)) < 2:
        return [write(path) for path in paths]
    with ProcessPoolExecutor(min(jobs, len(paths))) as pool:
        return list(pool.map(write, paths))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 after a problem."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.slides", description="Decks of the notebooks."
    )
    parser.add_argument("numbers", nargs="*", help="chapters, 02 or 2; none means all")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument("--no-pdf", action="store_true", help="write no PDF")
    jobs = int(os.environ.get("JOBS") or 2)
    parser.add_argument("--jobs", type=int, default=jobs, help="how many at a time; default: $JOBS")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        chosen = built_notebooks(options.numbers)
        options.out.mkdir(parents=True, exist_ok=True)
        decks = write_chapters(chosen, options.out, not options.no_pdf, options.jobs)
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

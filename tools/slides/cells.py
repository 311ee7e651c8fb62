"""Cells become slides: their slide types say where one begins."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.course.clone import tags_of
from tools.slides.blocks import Block, blocks_of, notes_html

__all__ = ["Slide", "plain", "slide_type", "slides_of", "split_heading"]

LABELS = {
    "explorer": "Explorer",
    "clinic": "Bug clinic",
    "exercise": "Exercise",
    "prove": "Prove it",
    "ledger": "Paper ↔ code",
}


@dataclass
class Slide:
    """One slide, before the browser lays it out.

    Attributes:
        name: id of its first cell; the address of the slide.
        starts: whether it is a new column (slide), not a slide below (subslide).
        title: HTML of its heading; empty for a slide that goes on.
        section: words of the last heading, for a slide without its own.
        label: what kind of slide it is, in words; may be empty.
        kind: title or content.
        blocks: what it shows.
        notes: HTML of what only the speaker sees.
    """

    name: str
    starts: bool
    title: str = ""
    section: str = ""
    label: str = ""
    kind: str = "content"
    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def slide_type(cell: Any) -> str:
    """The slide type of a cell; a cell without one continues the slide above."""
    return str(cell.metadata.get("slideshow", {}).get("slide_type") or "-")


def slides_of(notebook: Any, folder: Path) -> list[Slide]:
    """The slides of a notebook, in order.

    Args:
        notebook: an `nbformat.NotebookNode` with outputs.
        folder: where its relative links start.

    Raises:
        ValueError: a notebook without a cell to show.
    """
    slides: list[Slide] = []
    section = before = ""
    for cell in notebook.cells:
        kind = slide_type(cell)
        if kind == "skip" or not cell.source.strip():
            continue
        if kind == "notes":
            if slides:
                slides[-1].notes.append(notes_html(cell.source, folder))
            continue
        if kind in ("slide", "subslide") or not slides:
            slides.append(Slide(cell.id, starts=kind == "slide" or not slides, section=section))
        slide = slides[-1]
        slide.label = slide.label or next((LABELS[t] for t in tags_of(cell) if t in LABELS), "")
        blocks = blocks_of(cell, folder)
        if not slide.blocks and not slide.title and blocks and blocks[0].kind == "prose":
            slide.title, blocks[0].html = split_heading(blocks[0].html)
            if slide.title:
                before, section = section, plain(slide.title)
                slide.section = section
        if slide.label == LABELS["explorer"]:
            section = before  # its heading is its own: what follows goes on with the chapter
        for block in blocks:
            block.fragment = kind == "fragment"
        slide.blocks += [block for block in blocks if block.html.strip()]
    if not slides:
        raise ValueError("expected a notebook with slides, got one whose cells are all skipped")
    return _with_title(slides)


def _with_title(slides: list[Slide]) -> list[Slide]:
    """The first slide in two: title and question; then what the reader will be able to do."""
    first = slides[0]
    if not first.title or not first.blocks or first.blocks[0].kind != "prose":
        return slides
    paragraphs = re.split(r"(?<=</p>)\s*", first.blocks[0].html, maxsplit=2)
    lead = [p for p in paragraphs[:-1] if "colab.research.google.com" not in p]
    rest = paragraphs[-1] if len(paragraphs) > 1 else ""
    if len(paragraphs) == 1:
        lead, rest = paragraphs, ""
    title = Slide(
        first.name, True, first.title, kind="title", blocks=[Block("prose", "\n".join(lead))]
    )
    title.notes = first.notes
    goals = Slide(f"{first.name}-goals", False, "What you take home", first.section)
    goals.blocks = [Block("prose", rest)] * bool(rest) + first.blocks[1:]
    return [title, *([goals] if goals.blocks else []), *slides[1:]]


def split_heading(text: str) -> tuple[str, str]:
    """The heading at the start of some HTML, without its tag, and the rest.

    >>> split_heading("<h2>One cell</h2><p>A picture.</p>")
    ('One cell', '<p>A picture.</p>')
    >>> split_heading("<p>No heading.</p>")
    ('', '<p>No heading.</p>')
    """
    found = re.match(r"\s*<h[1-6][^>]*>(.*?)</h[1-6]>\s*", text, re.DOTALL)
    return (found[1], text[found.end() :]) if found else ("", text)


def plain(text: str) -> str:
    """The words of some HTML.

    >>> plain("8,732 by <em>three</em> roads &amp; more")
    '8,732 by three roads & more'
    """
    return html.unescape(re.sub(r"<[^>]+>", "", text)).strip()

"""Cells become slides: their slide types say where one begins."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.course.clone import tags_of
from tools.course.minutes import core_cells
from tools.slides.blocks import Block, blocks_of, notes_html, output_block

__all__ = ["Slide", "key_figure", "plain", "slide_type", "slides_of", "split_heading"]

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
        key: the chapter's key figure, on the title slide.
        presses: of a key, until all of it is seen.
    """

    name: str
    starts: bool
    title: str = ""
    section: str = ""
    label: str = ""
    kind: str = "content"
    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    key: Block | None = None
    presses: int = 0

    @property
    def seconds(self) -> int:
        """How long one speaks about it."""
        return round(sum(block.seconds for block in self.blocks) + 4 + 4 * self.presses)


def slide_type(cell: Any) -> str:
    """The slide type of a cell; a cell without one continues the slide above."""
    return str(cell.metadata.get("slideshow", {}).get("slide_type") or "-")


def slides_of(notebook: Any, folder: Path) -> list[Slide]:
    """The slides of a notebook's core, in order; what stands behind a ★ is for reading.

    Args:
        notebook: an `nbformat.NotebookNode` with outputs.
        folder: where its relative links start.

    Raises:
        ValueError: a notebook without a cell to show.
    """
    slides: list[Slide] = []
    section = before = ""
    for cell in core_cells(notebook.cells):
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
        blocks = [block for block in blocks_of(cell, folder) if block.html.strip()]
        alive = any(block.kind == "explorer" for block in blocks)
        labels = [LABELS[t] for t in tags_of(cell) if t in LABELS and (t != "explorer" or alive)]
        slide.label = slide.label or next(iter(labels), "")
        if not slide.blocks and not slide.title and blocks and blocks[0].kind == "prose":
            slide.title, blocks[0].html = split_heading(blocks[0].html)
            if slide.title:
                before, section = section, plain(slide.title)
                slide.section = section
        if "explorer" in tags_of(cell):
            section = before  # its heading is its own: what follows goes on with the chapter
        _wait(slide, blocks, kind == "fragment")
        slide.blocks += [block for block in blocks if block.html.strip()]
    if not slides:
        raise ValueError("expected a notebook with slides, got one whose cells are all skipped")
    slides = _with_title(slides)
    slides[0].key = key_figure(notebook)
    return slides


def _wait(slide: Slide, blocks: list[Block], fragment: bool) -> None:
    """Number the key presses on which the blocks of a cell appear; a cell appears at once.

    What was folded away in the notebook waits, and so does what follows it on its slide: a
    diagnosis comes after its symptom, and the cure after the diagnosis.
    """
    waits = fragment or any(block.later for block in slide.blocks)
    appears = slide.presses = slide.presses + waits
    for block in blocks:
        if block.later and (slide.blocks or block is not blocks[0]):
            waits = True
            appears = slide.presses = slide.presses + 1
        block.fragment = appears if waits else 0
        if block.steps:
            block.html = _numbered(block.html, slide.presses + 1)
            slide.presses += block.steps


def _numbered(text: str, first: int) -> str:
    """The steps of a code block as fragments that come after all before them."""
    numbers = iter(range(first, first + text.count('class="fragment step"')))
    return re.sub(
        'class="fragment step"', lambda m: f'{m[0]} data-fragment-index="{next(numbers)}"', text
    )


def key_figure(notebook: Any) -> Block | None:
    """The figure of the cell tagged `key-figure`; the first figure of the chapter without one."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "key-figure" in tags_of(cell)]
    shown = [cell for cell in code if slide_type(cell) != "skip"]
    for cell in [*tagged, *shown]:
        for output in cell.outputs:
            block = output_block(output)
            if block.kind == "figure":
                return block
    return None


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

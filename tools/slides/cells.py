"""Cells become slides: their slide types say where one begins."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tools.course.clone import SPEAKER, tags_of, without_words
from tools.course.minutes import core_cells
from tools.slides.blocks import Block, blocks_of, markdown, notes_html, output_block

__all__ = ["Slide", "key_figure", "lead_of", "plain", "slide_type", "slides_of", "split_heading"]

LECTURE = 45 * 60  # seconds
SLOWEST, FASTEST = 0.8, 2.2  # of one who asks no questions
BESIDE = "beside:"

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
        beside: id of the cell whose figure stays in sight here; may be empty.
        seconds: how long one speaks about it, of the lecture's minutes.
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
    beside: str = ""
    seconds: int = 0

    @property
    def weight(self) -> float:
        """How much there is to say about it, in seconds of somebody who does not stop to ask."""
        opens = 20 if self.kind == "title" else 4
        return sum(block.seconds for block in self.blocks) + opens + 4 * self.presses


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
        slide.beside = next((t for t in tags_of(cell) if t.startswith(BESIDE)), slide.beside)
        shown, said = lead_of(cell)
        slide.notes += [markdown(said, folder)] * bool(said)
        blocks = [block for block in blocks_of(shown, folder) if block.html.strip()]
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
    for slide in slides:
        if slide.beside:
            slide.blocks.append(_staying(notebook, slide))
        slide.notes += _said_of(slide)
    _plan(slides)
    return slides


def lead_of(cell: Any) -> tuple[Any, str]:
    """A cell as a slide shows it, and what of it is left to the speaker.

    Of prose tagged `lead` the slide shows each heading with its first paragraph, what that leads
    on to, and what asks for a guess. Prose may say more to the speaker, `<!-- speaker: ... -->`.
    """
    if cell.cell_type == "markdown" and SPEAKER.search(cell.source):
        words = "\n\n".join(found[1] for found in SPEAKER.finditer(cell.source))
        shown_cell, rest = lead_of(type(cell)({**cell, "source": without_words(cell.source)}))
        return shown_cell, "\n\n".join(filter(None, [words, rest]))
    if "lead" not in tags_of(cell) or cell.cell_type != "markdown":
        return cell, ""
    shown: list[str] = []
    said: list[str] = []
    first = True
    for part in re.split(r"\n{2,}", cell.source):
        heading = part.startswith("#")
        leads = bool(shown) and not said and shown[-1].endswith(":")
        if heading or first or leads or re.search(r"\*\*Predict", part):
            shown.append(part)
        else:
            said.append(part)
        first = heading
    return type(cell)({**cell, "source": "\n\n".join(shown)}), "\n\n".join(said)


def _staying(notebook: Any, slide: Slide) -> Block:
    """The figure that a slide keeps in sight beside what it says.

    Raises:
        ValueError: the cell that the tag names has no figure.
    """
    name = slide.beside.removeprefix(BESIDE)
    for cell in notebook.cells:
        if cell.id == name and cell.cell_type == "code":
            for block in map(output_block, cell.outputs):
                if block.kind == "figure":
                    return replace(block, stays=True, seconds=10)
    raise ValueError(f"slide {slide.name!r}: expected a figure of the cell {name!r}, there is none")


def _said_of(slide: Slide) -> list[str]:
    """What a speaker should know of slides that every chapter has."""
    words = []
    if slide.kind == "title":
        words.append("Read the question aloud and let the room guess, before you turn the page.")
    opens = [block for block in slide.blocks if block.later]
    if opens and slide.label == LABELS["clinic"]:
        words.append("Show the symptom, and wait: let the room say the cause, then open it.")
    if plain(slide.title) == "Summary":
        words.append("Ask for one sentence of each section before you read these.")
    if plain(slide.title).endswith("Your turn"):
        words.append("Choose one to do in the room; the others are for at home.")
    return [f"<p>{one}</p>" for one in words]


def _plan(slides: list[Slide]) -> None:
    """Share the minutes of a lecture out; a deck much too long or too short stays so."""
    whole = sum(slide.weight for slide in slides)
    factor = min(max(LECTURE / whole, SLOWEST), FASTEST)
    for slide in slides:
        slide.seconds = round(slide.weight * factor)


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
    hours = re.search(r"<p><strong>[^<]*minutes</strong>.*?</p>\s*", rest, re.DOTALL)
    if hours:  # for a reader
        rest = rest.replace(hours[0], "")
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

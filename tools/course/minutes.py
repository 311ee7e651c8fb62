"""How long a chapter's core takes a student: counted, not guessed.

The core is everything up to the first section whose heading begins with a star (``## ★ ...``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from tools.course.clone import tags_of

__all__ = [
    "STAR",
    "Core",
    "core_cells",
    "core_of",
    "fill_minutes",
    "headings_of",
    "prose_of",
    "words_of",
]

STAR = "★"
WORDS_A_MINUTE, LINES_A_MINUTE, MINUTES_AN_EXERCISE, MINUTES_A_FIGURE = 150, 10, 8, 1


class Core(NamedTuple):
    """What a student reads, types, solves and looks at."""

    cells: int
    words: int
    lines: int
    exercises: int
    figures: int

    @property
    def minutes(self) -> int:
        """Rounded to five.

        >>> Core(cells=60, words=1500, lines=200, exercises=4, figures=5).minutes
        65
        """
        exact = self.words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE
        exact += MINUTES_AN_EXERCISE * self.exercises + MINUTES_A_FIGURE * self.figures
        return 5 * round(exact / 5)


def prose_of(source: str) -> str:
    """Markdown without fenced code, comments and addresses of links."""
    source = re.sub(r"```.*?```", " ", source, flags=re.DOTALL)
    source = re.sub(r"<!--.*?-->", " ", source, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", source)


def words_of(source: str) -> list[str]:
    """The words of a Markdown cell."""
    return re.findall(r"[^\W\d_][\w'’-]*", prose_of(source))


def headings_of(source: str) -> list[str]:
    """The headings of a Markdown cell, with their marks."""
    return [line for line in prose_of(source).splitlines() if re.match(r"#{1,6} ", line)]


def _is_star(cell: Any) -> bool:
    return cell.cell_type == "markdown" and any(
        heading.lstrip("# ").startswith(STAR) for heading in headings_of(cell.source)
    )


def core_cells(cells: Sequence[Any]) -> list[Any]:
    """The cells before the first ★ section; all of them if there is none."""
    first = next((k for k, cell in enumerate(cells) if _is_star(cell)), len(cells))
    return list(cells[:first])


def core_of(cells: Sequence[Any]) -> Core:
    """What is counted in a notebook's cells.

    Notes for the speaker, the title's badge and the generated setup cell are no student's work. A
    figure is a picture in the output; an exercise is a cell with that tag.

    Args:
        cells: of an executed notebook.
    """
    core = core_cells(cells)
    read = [
        cell.source
        for cell in core
        if cell.cell_type == "markdown"
        and cell.metadata.get("slideshow", {}).get("slide_type") != "notes"
    ]
    code = [c for c in core if c.cell_type == "code" and "setup" not in tags_of(c)]
    pictures = sum(
        any(kind.startswith("image/") for kind in output.get("data", {}))
        for cell in code
        for output in cell.get("outputs", [])
    )
    return Core(
        cells=len(core),
        words=sum(len(words_of(source)) for source in read),
        lines=sum(len([x for x in cell.source.splitlines() if x.strip()]) for cell in code),
        exercises=sum("exercise" in tags_of(cell) for cell in code),
        figures=pictures,
    )


def fill_minutes(source: Any, executed: Sequence[Any]) -> None:
    """Write the minutes where the title of a source says ``{minutes}``; else change nothing.

    Args:
        source: a notebook; its first cell is changed.
        executed: the cells of the same notebook with their outputs.
    """
    title = source.cells[0]
    title.source = title.source.replace("{minutes}", str(core_of(executed).minutes))

"""Grades as a table for a spreadsheet, and as a page for the lecturer."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..exercises import exercises_of
from .grade import RIGHT, WRONG, Grade

__all__ = ["as_csv", "as_page", "stumbles"]

COLUMNS = ("student", "chapter", "exercise", "state", "message")


def as_csv(grades: Sequence[Grade]) -> str:
    """A row for each exercise of each submission.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.

    >>> print(as_csv([Grade("=1+1", "02", "moves", "right", "a, b")]).splitlines()[1])
    '=1+1,02,moves,right,"a, b"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for grade in grades:
        row = [str(getattr(grade, column)) for column in COLUMNS]
        writer.writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in row])
    return stream.getvalue()


def stumbles(grades: Sequence[Grade]) -> list[dict[str, Any]]:
    """By exercise: how many solved it, and what the others were told, the commonest first.

    Args:
        grades: of a class.

    Returns:
        for each exercise that somebody was to solve: ``chapter``, ``exercise``, ``right`` (a
        number), ``of``, ``said``: (message, how many were told so, whether the course knows the
        mistake).
    """
    rows = []
    for chapter in sorted({grade.chapter for grade in grades if grade.chapter}):
        for exercise in exercises_of(f"nb{chapter}"):
            named = {wrong.message for wrong in exercise.wrong_answers}
            own = [g for g in grades if (g.chapter, g.exercise) == (chapter, exercise.key)]
            said = Counter(
                g.message if g.state == WRONG else f"{g.state}: {g.message}"
                for g in own
                if g.state != RIGHT
            )
            rows.append({
                "chapter": chapter, "exercise": exercise.key, "of": len(own),
                "right": sum(g.state == RIGHT for g in own),
                "said": [(text, n, text in named) for text, n in said.most_common(8)],
            })  # fmt: skip
    return rows


def as_page(grades: Sequence[Grade], seed: int) -> str:
    """One HTML page: where the class stumbled, then everybody by name."""
    from jinja2 import Environment, PackageLoader

    made = Environment(
        loader=PackageLoader("detlearn.teach.grading", "templates"), autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    students: dict[str, list[Grade]] = {}
    for grade in grades:
        students.setdefault(grade.student, []).append(grade)
    page: str = made.get_template("class.html.j2").render(
        students=students, stumbles=stumbles(grades), seed=seed,
        right=sum(grade.state == RIGHT for grade in grades), total=len(grades),
    )  # fmt: skip
    return page

"""What has been solved of the course, as a table."""

from __future__ import annotations

import html
from dataclasses import dataclass

from . import solved
from .exercises import all_exercises

__all__ = ["Progress", "progress"]


@dataclass(frozen=True, slots=True, repr=False)
class Progress:
    """What `progress` shows.

    Args:
        chapters: number of a notebook -> names of its exercises.
        days: name of a solved exercise (`"nb02.prior_count"`) -> the day.
        place: where that is kept; empty if it is not.
    """

    chapters: dict[str, tuple[str, ...]]
    days: dict[str, str]
    place: str

    def rows(self) -> list[tuple[str, int, int, str]]:
        """Notebook, how many are solved, of how many, and which are missing."""
        rows = []
        for notebook, keys in self.chapters.items():
            missing = [key for key in keys if f"nb{notebook}.{key}" not in self.days]
            rows.append((notebook, len(keys) - len(missing), len(keys), ", ".join(missing)))
        return rows

    def _last_line(self) -> str:
        rows = self.rows()
        total = f"{sum(row[1] for row in rows)} of {sum(row[2] for row in rows)} solved"
        if not self.place:
            return f"{total}; nothing is kept (DETLEARN_PROGRESS is off)"
        return f"{total}; kept in {self.place}, and nowhere else; progress(forget=True) deletes it"

    def __repr__(self) -> str:
        lines = [
            f"{notebook}  {'■' * done}{'□' * (number - done)}  {done} of {number}"
            + (f", missing: {missing}" if missing and done else "")
            for notebook, done, number, missing in self.rows()
        ]
        return "\n".join([*lines, self._last_line()])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{notebook}</td><td>{done} of {number}</td>"
            f"<td><progress value='{done}' max='{number}' "
            f"aria-label='notebook {notebook}'></progress></td>"
            f"<td style='text-align:left'>{html.escape(missing) if done else ''}</td></tr>"
            for notebook, done, number, missing in self.rows()
        )
        head = "<tr><th>notebook</th><th>solved</th><th></th><th>missing</th></tr>"
        return f"<table>{head}{cells}</table><p>{html.escape(self._last_line())}</p>"


def progress(*, forget: bool = False) -> Progress:
    """What you have solved of the course: each exercise counts once its check has said "right".

    It is kept in a file on your own machine (see `detlearn.teach.solved`) and sent to nobody.

    Args:
        forget: delete that file first.

    Raises:
        OSError: the file cannot be deleted.

    >>> import os; os.environ["DETLEARN_PROGRESS"] = "off"
    >>> print(repr(progress()).splitlines()[-1])  # doctest: +ELLIPSIS
    0 of ... solved; nothing is kept (DETLEARN_PROGRESS is off)
    """
    if forget:
        solved.forget()
    chapters: dict[str, tuple[str, ...]] = {}
    for exercise in all_exercises():
        notebook = exercise.notebook.removeprefix("nb")
        chapters[notebook] = (*chapters.get(notebook, ()), exercise.key)
    return Progress(chapters, solved.read_solved(), str(solved.solved_path() or ""))

"""Which exercises somebody has solved: one line each in a file of their own machine.

The file is `~/.detlearn/solved.txt`, or what the variable `DETLEARN_PROGRESS` names; `off` keeps
nothing. Lines are only added, so that two notebooks that run at once lose none.
"""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path

__all__ = ["forget", "note_solved", "read_solved", "solved_path"]

VARIABLE = "DETLEARN_PROGRESS"
_LINE = re.compile(r"(nb\d\d\.\w+) (\d{4}-\d\d-\d\d)")


def solved_path() -> Path | None:
    """Where it is kept; None if nothing is to be kept, or if there is no home."""
    named = os.environ.get(VARIABLE, "")
    if named == "off":
        return None
    try:
        return Path(named) if named else Path.home() / ".detlearn" / "solved.txt"
    except RuntimeError:  # no home directory
        return None


def note_solved(name: str) -> None:
    """Write down that an exercise was solved today; what is there already is not repeated.

    Never raises: an exercise is right also where nothing can be written.

    Args:
        name: `"nb02.prior_count"`.
    """
    path = solved_path()
    if path is None or name in read_solved():
        return
    line = f"{name} {datetime.date.today().isoformat()}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line)
    except OSError:
        pass


def read_solved() -> dict[str, str]:
    """Name of a solved exercise -> the day; damaged lines do not count."""
    path = solved_path()
    try:
        text = "" if path is None else path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found = (_LINE.fullmatch(line.strip()) for line in reversed(text.splitlines()))
    return {match[1]: match[2] for match in found if match}


def forget() -> None:
    """Delete the file.

    Raises:
        OSError: it cannot be deleted.
    """
    path = solved_path()
    if path is not None:
        path.unlink(missing_ok=True)

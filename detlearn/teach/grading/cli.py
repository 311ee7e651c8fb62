"""``python -m detlearn grade SUBMISSIONS``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ...files import write_atomically

__all__ = ["add_command"]


def run_grade(args: argparse.Namespace) -> None:
    """``python -m detlearn grade SUBMISSIONS``: check the exercises of a folder of notebooks.

    Each notebook runs in a process of its own that may read the course, write into a folder that
    is deleted, and reach no network; its answers are checked outside of it, with other random cases
    than the students saw.
    """
    from .grade import RIGHT, grade_all
    from .table import as_csv, as_page

    out, page = Path(args.out), Path(args.page or Path(args.out).with_suffix(".html"))
    if out.suffix != ".csv":
        raise ValueError(f"--out: expected a file that ends with .csv, got {args.out!r}")
    if args.workers < 1 or args.seconds <= 0:
        raise ValueError("--workers and --seconds: expected numbers above 0")

    def told(done: int, number: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {number} notebooks", end="", file=sys.stderr, flush=True)

    grades = grade_all(
        Path(args.submissions), seed=args.seed, seconds=args.seconds, workers=args.workers,
        fenced=not args.no_fence, told=told,
    )  # fmt: skip
    if sys.stderr.isatty():
        print(file=sys.stderr)
    write_atomically(out, as_csv(grades).encode("utf-8-sig"))  # a spreadsheet looks for the mark
    write_atomically(page, as_page(grades, args.seed).encode())
    students = len({grade.student for grade in grades})
    right = sum(grade.state == RIGHT for grade in grades)
    print(f"{students} submissions, {right} of {len(grades)} answers right; {out}, {page}")


def add_command(commands: Any) -> None:
    """Add ``grade`` to the parser of the shell."""
    p = commands.add_parser("grade", help="check a folder of students' notebooks",
                            description=run_grade.__doc__)  # fmt: skip
    p.set_defaults(run=run_grade)
    p.add_argument("submissions", help="a folder: a notebook a student, or a folder each")
    p.add_argument("--out", default="grades.csv", help="table to write (default: grades.csv)")
    p.add_argument("--page", help="HTML page to write (default: beside the table)")
    p.add_argument("--seed", type=int, default=1, help="of the random cases (default: 1; the "
                   "notebooks' own is 0)")  # fmt: skip
    p.add_argument("--seconds", type=float, default=60.0,
                   help="for each try to answer an exercise (default: 60)")  # fmt: skip
    p.add_argument("--workers", type=int, default=2, help="notebooks at a time (default: 2)")
    p.add_argument("--no-fence", action="store_true",
                   help="run them unguarded, with all your rights: only in a container that holds "
                   "nothing of value")  # fmt: skip

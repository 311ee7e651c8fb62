"""Grading a class: notebooks in, a table of who solved what out.

``submission.py`` reads a notebook, ``worker.py`` runs what an answer needs behind the fence of
``fence.py``, ``pool.py`` asks it questions over ``wire.py``, and ``grade.py`` checks the answers in
the grader's own process: what a student's code does to its own copy of a check changes nothing.
"""

from .cli import add_command
from .grade import Grade, grade_all

__all__ = ["Grade", "add_command", "grade_all"]

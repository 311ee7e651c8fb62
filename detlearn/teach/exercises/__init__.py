"""Exercises that check themselves, one module for each notebook.

In a notebook::

    from detlearn.teach.exercises import nb02

    nb02.prior_count.check(prior_count)  # right, wrong and why, or not yet
    nb02.prior_count.hint()              # each call says a little more
    nb02.prior_count.solution()          # prints one

Nothing is downloaded and nothing is graded: a check compares the answer with a reference on
small cases by hand and on random ones. `check(answer, seed=7)` draws other random cases, for a
lecturer who wants her own.
"""

from __future__ import annotations

import importlib
import pkgutil
import re

from .framework import Exercise, Verdict, WrongAnswer

__all__ = ["Exercise", "Verdict", "WrongAnswer", "all_exercises", "exercises_of"]


def exercises_of(notebook: str) -> list[Exercise]:
    """The exercises of a notebook in the order of their definition.

    Args:
        notebook: `"nb02"`.

    Raises:
        ValueError: there is no such module.

    >>> [exercise.key for exercise in exercises_of("nb00")]
    ['count_detections', 'moves', 'to_fractions']
    """
    if notebook not in _modules():
        raise ValueError(f"notebook: expected one of {', '.join(_modules())}, got {notebook!r}")
    module = importlib.import_module(f"{__name__}.{notebook}")
    return [value for value in vars(module).values() if isinstance(value, Exercise)]


def all_exercises() -> list[Exercise]:
    """Every exercise of the course, notebook by notebook."""
    return [exercise for notebook in _modules() for exercise in exercises_of(notebook)]


def _modules() -> list[str]:
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in names if re.fullmatch(r"nb\d\d", name))

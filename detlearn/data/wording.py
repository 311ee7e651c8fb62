"""Numbers and verbs in the sentences of the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["are", "by", "count_of", "have", "its"]


def count_of(number: int, of: int, noun: str) -> str:
    """How many of how many, in words.

    >>> count_of(1, 3, "box"), count_of(2, 2, "entry")
    ('1 of 3 boxes', '2 of 2 entries')
    """
    plural = {"box": "boxes", "entry": "entries"}.get(noun, f"{noun}s")
    return f"{number} of {of} {noun if of == 1 else plural}"


def are(number: int) -> str:
    """The verb for so many."""
    return "is" if number == 1 else "are"


def have(number: int) -> str:
    """The verb for so many."""
    return "has" if number == 1 else "have"


def its(number: int) -> str:
    """The pronoun for so many."""
    return "its" if number == 1 else "their"


def by(size: NDArray[np.float64]) -> str:
    """A size in words."""
    return f"{size[0]:g} x {size[1]:g}"

"""Numbers and nouns as the page says them; the templates know these functions as filters."""

from __future__ import annotations

import math

__all__ = ["count", "duration", "number_text", "percent", "with_article"]


def number_text(value: float, digits: int = 3) -> str:
    """A number with fixed digits; a dash where there is none.

    >>> number_text(0.5), number_text(math.nan)
    ('0.500', '–')
    """
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def percent(part: float, whole: float) -> str:
    """A part of a whole in percent; a dash of nothing.

    >>> percent(1, 8), percent(0, 0)
    ('12 %', '–')
    """
    return f"{100 * part / whole:.0f} %" if whole else "–"


def count(number: float, noun: str) -> str:
    """A number and its noun.

    >>> count(1, 'object'), count(1200, 'image')
    ('1 object', '1,200 images')
    """
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(59.4), duration(1184), duration(7380)
    ('59 s', '19 min 44 s', '2 h 3 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def with_article(noun: str) -> str:
    """A noun with its article.

    >>> with_article('house'), with_article('apple')
    ('a house', 'an apple')
    """
    return f"{'an' if noun[:1].lower() in tuple('aeiou') else 'a'} {noun}"

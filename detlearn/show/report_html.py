"""Words, numbers and tables of the page of `detlearn.show.report`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from detlearn.show.svg_charts import draw_line_key

__all__ = [
    "count", "duration", "html_table", "key_of_lines", "number_text", "percent", "scroll",
    "with_article",
]  # fmt: skip


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


def html_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str,
    label: str = "",
    wide: bool = False,
) -> str:
    """A table whose first column names the rows; cells are HTML, numbers stand right.

    A head that begins with "#" is of a column of numbers.
    """
    right = [text.startswith("#") for text in head]
    top = "".join(
        f'<th scope="col"{" class=n" * number}>{text.removeprefix("#")}</th>'
        for text, number in zip(head, right, strict=True)
    )
    body = ""
    for first, *rest in rows:
        cells = "".join(
            f"<td{' class=n' * number}>{cell}</td>"
            for cell, number in zip(rest, right[1:], strict=True)
        )
        body += f'<tr><th scope="row">{first}</th>{cells}</tr>\n'
    return scroll(
        f"<table{' class=wide' * wide}><caption><span>{caption}</span></caption>"
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>",
        label or caption,
    )


def scroll(content: str, label: str) -> str:
    """What may be wider than a telephone; the keyboard reaches it."""
    return (
        f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">'
        f"{content}</div>\n"
    )


def key_of_lines(names: Sequence[str], values: Sequence[str]) -> str:
    """The key of a chart: stroke, name and value of each line."""
    entries = "".join(
        f"<li>{draw_line_key(i)}{escape(name)} <b>{value}</b></li>"
        for i, (name, value) in enumerate(zip(names, values, strict=True))
    )
    return f'<ul class="keys">{entries}</ul>'

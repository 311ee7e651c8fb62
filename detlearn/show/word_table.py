"""A table whose cells are words: claims, verdicts, reasons."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

CELL = "text-align: left; vertical-align: top; padding: 3px 0.7em; line-height: 1.35"


@dataclass(frozen=True)
class WordTable:
    """Rows of words under headings; a notebook shows a table, a terminal a paragraph a row.

    Attributes:
        header: one heading a column, at least two.
        rows: a cell a heading; the first says what the row is about.

    Raises:
        ValueError: fewer than two headings, no row, or a row of another length.

    >>> WordTable(("claim", "verdict"), [("a is better than b", "cannot be told")])
    a is better than b
      verdict  cannot be told
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        if len(self.header) < 2:
            raise ValueError(f"header: expected at least two headings, got {list(self.header)}")
        if not self.rows:
            raise ValueError("rows: expected at least one, got none")
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ValueError(
                    f"rows[{number}]: expected {len(self.header)} cells, one a heading, got "
                    f"{len(row)}: {list(row)}"
                )

    def __repr__(self) -> str:
        width = max(map(len, self.header[1:]))
        lines = []
        for first, *others in self.rows:
            lines.append(first)
            pairs = zip(self.header[1:], others, strict=True)
            lines += [f"  {name:{width}}  {words}".rstrip() for name, words in pairs]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads = "".join(
            f'<th scope="col" style="{CELL}">{html.escape(name)}</th>' for name in self.header
        )
        body = "".join(
            f'<tr><th scope="row" style="{CELL}">{html.escape(first)}</th>'
            + "".join(f'<td style="{CELL}">{html.escape(words)}</td>' for words in others)
            + "</tr>"
            for first, *others in self.rows
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
